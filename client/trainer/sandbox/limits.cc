#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/trainer/sandbox/sandbox.h"

namespace federity::sandbox {
namespace {

bool Limit(__rlimit_resource resource, rlim_t value) {
  rlimit current = {};
  getrlimit(resource, &current);
  if (current.rlim_max != RLIM_INFINITY && value > current.rlim_max) value = current.rlim_max;
  const rlimit limit = {value, value};
  return setrlimit(resource, &limit) == 0;
}

// Mapped and resident bytes of this process.
struct Memory {
  int64_t mapped = 0;
  int64_t resident = 0;
};
Memory MemoryNow() {
  Memory memory;
  std::ifstream pages("/proc/self/statm");
  if (pages >> memory.mapped >> memory.resident) {
    const int64_t page = sysconf(_SC_PAGESIZE);
    return {.mapped = memory.mapped * page, .resident = memory.resident * page};
  }
  return {};
}

}  // namespace

Layer LimitResources(const Limits& limits, Profile profile) {
  Layer layer{.name = "resource limits"};
  layer.active = Limit(RLIMIT_CORE, 0) && Limit(RLIMIT_NOFILE, 256) &&
                 Limit(RLIMIT_FSIZE, static_cast<rlim_t>(limits.file_bytes));
  if (profile == Profile::kCuda) {
    layer.detail = "memory not limited: the CUDA driver reserves address space";
    return layer;
  }
#ifdef FEDERITY_SANITIZED
  layer.detail = "memory not limited: a sanitizer reserves address space";
  return layer;
#endif
  // Libraries map far more than they touch: what is mapped but not resident now
  // does not count against the caller's limit.
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  const Memory now = MemoryNow();
  const int64_t memory = limits.memory_bytes > 0 ? limits.memory_bytes : machine;
  const int64_t unused = now.mapped - now.resident;
  layer.active = Limit(RLIMIT_AS, static_cast<rlim_t>(memory + unused)) && layer.active;
  layer.detail =
      layer.active ? absl::StrCat("memory ", memory >> 20, " MiB") : std::strerror(errno);
  return layer;
}

}  // namespace federity::sandbox
