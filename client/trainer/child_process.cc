#include "client/trainer/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "absl/time/clock.h"
#include "common/base/status_macros.h"

namespace federity::trainer {
namespace {

constexpr int kSocketFd = 3;
// Sources are moved above the targets, so that no dup2 overwrites one: a daemon
// may have started with 0 to 2 closed.
constexpr int kFirstFreeFd = 10;

struct Exec {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int null;
  int socket;
  int error;
  pid_t parent;
  rlim_t cpu_seconds;
};

// Runs in the child of vfork, on the parent's memory: only system calls.
[[noreturn]] void BecomeProgram(const Exec& exec) {
  // Handlers of the parent must not run here; exec keeps ignored signals, which
  // the child should not inherit either.
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != exec.parent) _exit(127);  // it died before the line above

  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  const rlimit cpu = {exec.cpu_seconds, exec.cpu_seconds + 5};
  setrlimit(RLIMIT_CPU, &cpu);

  dup2(exec.null, STDIN_FILENO);
  dup2(exec.null, STDOUT_FILENO);
  dup2(exec.error, STDERR_FILENO);
  dup2(exec.socket, kSocketFd);
  syscall(SYS_close_range, kSocketFd + 1, ~0U, 0);
  if (chdir("/") == 0) execve(exec.program, exec.arguments, exec.environment);
  _exit(127);
}

absl::StatusOr<FileDescriptor> MoveUp(int fd) {
  FileDescriptor original(fd);
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, kFirstFreeFd);
  if (moved < 0) return ErrnoStatus(errno, "a file descriptor for the trainer");
  return FileDescriptor(moved);
}

pid_t Spawn(const Exec& exec) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  // vfork: no copy of a large agent's page tables and no pthread_atfork handlers
  // (gRPC has some).
  const pid_t pid = vfork();
  if (pid == 0) BecomeProgram(exec);
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const Options& options) {
  int sockets[2];
  int pipes[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
    return ErrnoStatus(errno, "a socket for the trainer");
  }
  auto child = std::unique_ptr<ChildProcess>(new ChildProcess());
  child->socket_ = FileDescriptor(sockets[0]);
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor socket, MoveUp(sockets[1]));
  if (pipe2(pipes, O_CLOEXEC) != 0) return ErrnoStatus(errno, "a pipe for the trainer");
  child->error_pipe_ = FileDescriptor(pipes[0]);
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor error, MoveUp(pipes[1]));
  fcntl(child->error_pipe(), F_SETFL, O_NONBLOCK);
  FEDERITY_ASSIGN_OR_RETURN(FileDescriptor opened, OpenFile("/dev/null", O_RDWR));
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor null, MoveUp(opened.Release()));

  std::string program = options.program.string();
  std::vector<char*> arguments = {program.data(), nullptr};
  std::vector<std::string> strings = options.environment;
  std::vector<char*> environment;
  for (std::string& text : strings) environment.push_back(text.data());
  environment.push_back(nullptr);
  child->pid_ = Spawn({.program = program.c_str(),
                       .arguments = arguments.data(),
                       .environment = environment.data(),
                       .null = null.get(),
                       .socket = socket.get(),
                       .error = error.get(),
                       .parent = getpid(),
                       .cpu_seconds = static_cast<rlim_t>(std::clamp<int64_t>(
                           absl::ToInt64Seconds(options.cpu_time), 1, int64_t{1} << 40))});
  if (child->pid_ < 0) return ErrnoStatus(errno, "starting " + program);
  return child;
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) Reap(absl::ZeroDuration());
}

void ChildProcess::Kill() {
  if (pid_ > 0) kill(pid_, SIGKILL);
}

int ChildProcess::Reap(absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  int status = 0;
  pid_t reaped = 0;
  while ((reaped = waitpid(pid_, &status, WNOHANG)) == 0 && absl::Now() < end) {
    poll(nullptr, 0, 2);
  }
  if (reaped == 0) {
    Kill();
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  pid_ = -1;
  return status;
}

}  // namespace federity::trainer
