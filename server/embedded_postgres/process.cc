#include "server/embedded_postgres/process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"

namespace federity::embedded_postgres {
namespace {

constexpr int64_t kMaxOutput = 1 << 20;

template <typename Lookup>
absl::StatusOr<SystemUser> Find(Lookup lookup, const std::string& what) {
  passwd entry;
  passwd* found = nullptr;
  std::vector<char> buffer(16384);
  lookup(&entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return absl::NotFoundError(absl::StrCat("no system user ", what));
  return SystemUser{entry.pw_name, entry.pw_uid, entry.pw_gid};
}

// What failed in the child, sent through a pipe that exec closes.
struct ChildError {
  char step;  // 'u'ser, 'd'irectory, 'e'xec
  int error;
};

// Between fork and exec: only async-signal-safe calls, for other threads may
// hold locks of the C library.
[[noreturn]] void BecomeProgram(const ProgramSpec& spec, char* const argv[], char* const envp[],
                                int null_fd, int error_fd) {
  const auto fail = [error_fd](char step) {
    const ChildError error{step, errno};
    [[maybe_unused]] const ssize_t written = write(error_fd, &error, sizeof error);
    _exit(127);
  };
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  const int output = spec.output >= 0 ? spec.output : null_fd;
  dup2(null_fd, 0);
  dup2(output, 1);
  dup2(output, 2);
  // The raw calls: the C library's would signal threads that fork left behind.
  if (geteuid() == 0 && spec.user.uid != 0 &&
      (syscall(SYS_setgroups, 0, nullptr) != 0 ||
       syscall(SYS_setresgid, spec.user.gid, spec.user.gid, spec.user.gid) != 0 ||
       syscall(SYS_setresuid, spec.user.uid, spec.user.uid, spec.user.uid) != 0)) {
    fail('u');
  }
  umask(077);
  if (chdir(spec.directory.c_str()) != 0) fail('d');
  syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
  execve(argv[0], argv, envp);
  fail('e');
  std::abort();
}

absl::Status ChildStatus(const ChildError& error, const ProgramSpec& spec) {
  switch (error.step) {
    case 'u':
      return ErrnoStatus(error.error, absl::StrCat("become user ", spec.user.name));
    case 'd':
      return ErrnoStatus(error.error, absl::StrCat("as user ", spec.user.name, ", enter ",
                                                   spec.directory.string()));
    default:
      return ErrnoStatus(error.error, absl::StrCat("as user ", spec.user.name, ", execute ",
                                                   spec.arguments.front()));
  }
}

}  // namespace

SystemUser CurrentUser() {
  absl::StatusOr<SystemUser> user = FindUser(geteuid());
  if (user.ok()) return *std::move(user);
  return SystemUser{absl::StrCat("uid ", geteuid()), geteuid(), getegid()};
}

absl::StatusOr<SystemUser> FindUser(const std::string& name) {
  return Find([&](auto... arguments) { getpwnam_r(name.c_str(), arguments...); }, name);
}

absl::StatusOr<SystemUser> FindUser(uid_t uid) {
  return Find([&](auto... arguments) { getpwuid_r(uid, arguments...); },
              absl::StrCat("with id ", uid));
}

absl::StatusOr<pid_t> StartProgram(const ProgramSpec& spec) {
  std::vector<char*> argv;
  for (const std::string& argument : spec.arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  // HOME: PostgreSQL's programs look for configuration there.
  std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  std::string home = "HOME=/nonexistent";
  std::string locale = "LC_ALL=C";
  std::vector<char*> envp = {path.data(), home.data(), locale.data()};
  for (const std::string& setting : spec.environment) {
    envp.push_back(const_cast<char*>(setting.c_str()));
  }
  envp.push_back(nullptr);

  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor null, OpenFile("/dev/null", O_RDWR));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  const FileDescriptor read_end(ends[0]);
  FileDescriptor write_end(ends[1]);
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus(errno, "fork");
  if (pid == 0) BecomeProgram(spec, argv.data(), envp.data(), null.get(), write_end.get());
  write_end = FileDescriptor();
  ChildError error;
  ssize_t got;
  do {
    got = read(read_end.get(), &error, sizeof error);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof error)) return pid;
  waitpid(pid, nullptr, 0);
  return ChildStatus(error, spec);
}

absl::StatusOr<std::string> RunProgram(ProgramSpec spec) {
  const FileDescriptor output(memfd_create("output", MFD_CLOEXEC));
  if (!output.valid()) return ErrnoStatus(errno, "memfd_create");
  spec.output = output.get();
  FEDERITY_ASSIGN_OR_RETURN(const pid_t pid, StartProgram(spec));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  const off_t size = std::min<off_t>(lseek(output.get(), 0, SEEK_END), kMaxOutput);
  std::string text(static_cast<size_t>(size), '\0');
  FEDERITY_RETURN_IF_ERROR(ReadFully(output.get(), text.data(), size, 0));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return text;
  constexpr size_t kShown = 2000;
  return absl::InternalError(
      absl::StrCat(spec.arguments.front(),
                   " failed: ", text.size() > kShown ? text.substr(text.size() - kShown) : text));
}

}  // namespace federity::embedded_postgres
