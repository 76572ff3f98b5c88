#ifndef FEDERITY_CLIENT_CLI_INTERRUPT_H_
#define FEDERITY_CLIENT_CLI_INTERRUPT_H_

#include <filesystem>
#include <utility>

#include "absl/status/statusor.h"

namespace federity::cli {

// While one lives, Ctrl-C and SIGTERM only set a flag, so that long work can
// stop its child and take its files away; a second one kills as usual. At most
// one at a time.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  static bool Interrupted();
};

// A folder (0700) under the system's temporary one that goes with its object:
// for the parts of a model on their way. Movable.
class WorkDirectory {
 public:
  static absl::StatusOr<WorkDirectory> Make();
  WorkDirectory(WorkDirectory&& other) noexcept : path_(std::move(other.path_)) {
    other.path_.clear();
  }
  WorkDirectory& operator=(WorkDirectory&&) = delete;
  ~WorkDirectory();

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit WorkDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_INTERRUPT_H_
