// Landlock has no library, and the distribution's header knows only its first
// version: the numbers below are from the kernel's include/uapi/linux/landlock.h
// (version 6, Linux 6.12).
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "client/trainer/sandbox/sandbox.h"

namespace federity::sandbox {
namespace {

constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr uint32_t kVersionFlag = 1;
constexpr int kRulePathBeneath = 1;

constexpr uint64_t kWriteFile = 1 << 1;
constexpr uint64_t kReadFile = 1 << 2;
constexpr uint64_t kReadDirectory = 1 << 3;
constexpr uint64_t kIoctlDevice = 1 << 15;
// Every right of a version is handled, so that what no rule grants is denied:
// 13 in version 1, then refer, truncate, (none in 4), ioctl.
constexpr uint64_t HandledRights(int version) {
  uint64_t rights = (1 << 13) - 1;
  if (version >= 2) rights |= 1 << 13;
  if (version >= 3) rights |= 1 << 14;
  if (version >= 5) rights |= kIoctlDevice;
  return rights;
}

struct RulesetAttributes {
  uint64_t files;
  uint64_t network;  // from version 4: bind 1, connect 2
  uint64_t scoped;   // from version 6: abstract unix sockets 1, signals 2
};
size_t SizeOfAttributes(int version) { return version >= 6 ? 24 : version >= 4 ? 16 : 8; }

struct __attribute__((packed)) PathBeneath {
  uint64_t allowed;
  int32_t parent;
};

// False if the rule could not be added; a missing path is no rule.
bool Allow(int ruleset, const std::filesystem::path& path, uint64_t rights, uint64_t handled) {
  const int fd = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (fd < 0) return true;
  struct stat status = {};
  fstat(fd, &status);
  if (!S_ISDIR(status.st_mode)) rights &= ~kReadDirectory;
  const PathBeneath rule = {.allowed = rights & handled, .parent = fd};
  const bool added = syscall(kAddRule, ruleset, kRulePathBeneath, &rule, 0) == 0;
  close(fd);
  return added;
}

constexpr const char* kCudaDevices[] = {"/dev/nvidia0",    "/dev/nvidia1",         "/dev/nvidia2",
                                        "/dev/nvidia3",    "/dev/nvidia4",         "/dev/nvidia5",
                                        "/dev/nvidia6",    "/dev/nvidia7",         "/dev/nvidiactl",
                                        "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"};

bool AddRules(int ruleset, const std::vector<std::filesystem::path>& readable, Profile profile,
              uint64_t handled) {
  bool added = true;
  for (const auto& path : readable) {
    added = Allow(ruleset, path, kReadFile | kReadDirectory, handled) && added;
  }
  if (profile == Profile::kCuda) {
    for (const char* device : kCudaDevices) {
      added = Allow(ruleset, device, kReadFile | kWriteFile | kIoctlDevice, handled) && added;
    }
    // The driver looks up devices and its own memory map there.
    for (const char* path : {"/proc", "/sys/bus/pci", "/sys/devices", "/usr", "/etc/nvidia"}) {
      added = Allow(ruleset, path, kReadFile | kReadDirectory, handled) && added;
    }
  }
  return added;
}

}  // namespace

Layer RestrictFiles(const std::vector<std::filesystem::path>& readable, Profile profile) {
  Layer layer{.name = "landlock"};
  const long version = syscall(kCreateRuleset, nullptr, 0, kVersionFlag);
  if (version < 1) {
    layer.detail = version < 0 ? std::strerror(errno) : "no version";
    return layer;
  }
  const int known = static_cast<int>(version);
  const RulesetAttributes attributes = {
      .files = HandledRights(known), .network = known >= 4 ? 3U : 0, .scoped = known >= 6 ? 3U : 0};
  const int ruleset =
      static_cast<int>(syscall(kCreateRuleset, &attributes, SizeOfAttributes(known), 0));
  if (ruleset < 0) {
    layer.detail = std::strerror(errno);
    return layer;
  }
  const bool added = AddRules(ruleset, readable, profile, attributes.files);
  layer.active = syscall(kRestrictSelf, ruleset, 0) == 0;
  layer.detail = layer.active ? absl::StrCat("ABI ", version) : std::strerror(errno);
  if (layer.active && !added) absl::StrAppend(&layer.detail, ", stricter than asked");
  close(ruleset);
  return layer;
}

std::vector<std::filesystem::path> SystemLibraryPaths() {
  return {"/usr",          "/lib",          "/lib64",       "/etc/ld.so.cache",    "/proc/self",
          "/proc/cpuinfo", "/proc/meminfo", "/proc/sys/vm", "/sys/devices/system", "/sys/fs/cgroup",
          "/dev/urandom",  "/dev/null"};
}

}  // namespace federity::sandbox
