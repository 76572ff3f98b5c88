#ifndef FEDERITY_CLIENT_TRAINER_SANDBOX_SANDBOX_H_
#define FEDERITY_CLIENT_TRAINER_SANDBOX_SANDBOX_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace federity::sandbox {

// Layers that a process puts around itself, none of them to be taken off again
// (docs/design/sandbox.md). Each says whether it took hold: kernels and
// containers differ, and the report is shown to the owner of the data.
struct Layer {
  std::string name;
  bool active = false;
  std::string detail;
  // "landlock: active, ABI 7", "namespaces: not active (Operation not permitted)"
  std::string ToString() const;
};

enum class Profile {
  kCpu,
  kCuda,  // besides: device nodes, ioctl, and what the driver's libraries call
};

// No program that this one starts can gain rights. First, before the others.
Layer ForbidNewPrivileges();

// A network namespace without any interface, and one for System V IPC; through
// a user namespace, so that it needs no privilege. REQUIRES: one thread.
Layer EnterNamespaces();

// Landlock: from now on this thread and those it makes open files below
// `readable` only, for reading, and connect to no TCP port nor abstract socket;
// signals reach nobody outside. Open files stay usable. May be called again to
// take away more. Paths that do not exist are left out.
Layer RestrictFiles(const std::vector<std::filesystem::path>& readable, Profile profile);

struct Limits {
  int64_t memory_bytes = 0;  // resident beyond now; 0: the machine's memory
  int64_t file_bytes = int64_t{1} << 40;
};
// Memory, file size, file descriptors, core dumps. kCuda: no memory limit, since
// the driver reserves address space by the terabyte.
Layer LimitResources(const Limits& limits, Profile profile);

// seccomp: an allow-list for every thread of the process; starting programs,
// tracing, mounting and the like kill it, anything else fails with EPERM. Files
// open for reading only. Last.
Layer FilterSystemCalls(Profile profile);

// What libraries read while they start: /usr, /lib, processor topology.
std::vector<std::filesystem::path> SystemLibraryPaths();

}  // namespace federity::sandbox

#endif  // FEDERITY_CLIENT_TRAINER_SANDBOX_SANDBOX_H_
