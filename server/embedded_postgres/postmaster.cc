#include "server/embedded_postgres/postmaster.h"

#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/files.h"

namespace federity::embedded_postgres {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kPoll = absl::Milliseconds(5);

// A postmaster's working directory is its cluster; a process that merely got
// the same pid later has another one.
bool WorksIn(pid_t pid, const fs::path& cluster) {
  std::error_code error;
  const fs::path works_in = fs::read_symlink(absl::StrCat("/proc/", pid, "/cwd"), error);
  if (error) return false;
  return fs::equivalent(works_in, cluster, error);
}

// proc(5): "pid (name) state …"; the name may hold anything.
bool IsZombie(pid_t pid) {
  const absl::StatusOr<std::string> stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"), 4096);
  if (!stat.ok()) return false;
  const size_t end = stat->rfind(") ");
  return end != std::string::npos && end + 2 < stat->size() && (*stat)[end + 2] == 'Z';
}

}  // namespace

std::optional<Postmaster> FindPostmaster(const fs::path& cluster) {
  const absl::StatusOr<std::string> text = ReadFile(cluster / "postmaster.pid", 4096);
  if (!text.ok()) return std::nullopt;
  const std::vector<std::string> lines = absl::StrSplit(*text, '\n');
  Postmaster postmaster;
  if (!absl::SimpleAtoi(lines[0], &postmaster.pid) || postmaster.pid <= 1) return std::nullopt;
  if (lines.size() > 4) postmaster.socket_folder = lines[4];
  postmaster.ready = lines.size() > 7 && absl::StripAsciiWhitespace(lines[7]) == "ready";
  if (!IsRunning(postmaster.pid) || !WorksIn(postmaster.pid, cluster)) return std::nullopt;
  return postmaster;
}

bool IsRunning(pid_t pid) {
  const pid_t reaped = waitpid(pid, nullptr, WNOHANG);
  if (reaped == pid) return false;
  if (reaped == 0) return true;
  // Not our child. One that has ended and that nobody reaped, as happens in
  // containers without an init, does not run either.
  return (kill(pid, 0) == 0 || errno == EPERM) && !IsZombie(pid);
}

bool WaitForEnd(pid_t pid, absl::Duration timeout) {
  const absl::Time end = absl::Now() + timeout;
  while (IsRunning(pid)) {
    if (absl::Now() > end) return false;
    absl::SleepFor(kPoll);
  }
  return true;
}

absl::Status StopPostmaster(pid_t pid) {
  for (const int signal : {SIGINT, SIGQUIT}) {  // fast, immediate
    if (kill(pid, signal) != 0 && errno != ESRCH) return ErrnoStatus(errno, "stop PostgreSQL");
    if (WaitForEnd(pid, absl::Minutes(1))) return absl::OkStatus();
  }
  return absl::DeadlineExceededError(absl::StrCat("PostgreSQL, pid ", pid, ", does not stop"));
}

}  // namespace federity::embedded_postgres
