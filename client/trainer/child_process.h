#ifndef FEDERITY_CLIENT_TRAINER_CHILD_PROCESS_H_
#define FEDERITY_CLIENT_TRAINER_CHILD_PROCESS_H_

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/files.h"

namespace federity::trainer {

// A child with a socket on its fd 3, /dev/null as input and output, its
// standard error on a pipe, nothing else open and only `environment`. It is
// killed when this object or the thread that started it ends. Not thread-safe.
class ChildProcess {
 public:
  struct Options {
    std::filesystem::path program;
    std::vector<std::string> environment;  // "NAME=value"
    absl::Duration cpu_time;               // SIGXCPU beyond
  };
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const Options& options);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  // Kills and reaps.
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  int socket() const { return socket_.get(); }          // blocking
  int error_pipe() const { return error_pipe_.get(); }  // non-blocking

  void Kill();
  // Waits for its end, at most `patience`, then kills it. Returns waitpid's
  // status. Once.
  int Reap(absl::Duration patience);

 private:
  ChildProcess() = default;
  pid_t pid_ = -1;  // -1: reaped
  FileDescriptor socket_;
  FileDescriptor error_pipe_;
};

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_CHILD_PROCESS_H_
