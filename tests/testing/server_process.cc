#include "tests/testing/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/files.h"

namespace federity::testing {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxFile = 64 << 20;

[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error(what); }

pid_t Spawn(const std::vector<std::string>& arguments, const fs::path& output) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  const FileDescriptor log(open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log.valid()) Fail("can't open " + output.string());
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) Fail("fork");
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);
  dup2(log.get(), 1);
  dup2(log.get(), 2);
  execv(argv[0], argv.data());
  _exit(127);
}

int Wait(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// The embedded postmaster of a server that was killed.
void KillPostmaster(const fs::path& data_directory) {
  const auto text = ReadFile(data_directory / "postgres/postmaster.pid", 4096);
  pid_t pid = 0;
  if (!text.ok()) return;
  const std::vector<std::string> lines = absl::StrSplit(*text, '\n');
  if (absl::SimpleAtoi(lines[0], &pid) && pid > 1) kill(pid, SIGQUIT);
}

}  // namespace

ServerProcess::ServerProcess(Options options) : options_(std::move(options)) {
  std::string folder = "/tmp/federity-server-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) Fail("mkdtemp");
  // The embedded database's user must get to its folder.
  chmod(folder.c_str(), 0711);
  folder_ = folder;
  data_directory_ = folder_ / "data";
  if (!options_.embedded_database) postgres_ = std::make_unique<TempPostgres>();
  Start();
}

ServerProcess::~ServerProcess() {
  if (pid_ > 0) Stop();
  KillPostmaster(data_directory_);
  std::error_code error;
  fs::remove_all(folder_, error);
}

std::vector<std::string> ServerProcess::RunArguments() const {
  std::vector<std::string> arguments = {FEDERITY_SERVER_PROGRAM,  "run",      "--data-dir",
                                        data_directory_.string(), "--listen", "127.0.0.1:" + port_};
  if (postgres_ != nullptr) {
    arguments.insert(arguments.end(), {"--database-url", postgres_->url()});
  }
  arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
  return arguments;
}

void ServerProcess::Start() {
  pid_ = Spawn(RunArguments(), folder_ / "output");
  for (const absl::Time end = absl::Now() + absl::Seconds(90);;) {
    // Written atomically once it serves.
    const auto port = ReadFile(data_directory_ / "port", 64);
    if (port.ok()) {
      port_ = std::string(absl::StripAsciiWhitespace(*port));
      break;
    }
    if (waitpid(pid_, nullptr, WNOHANG) != 0) {
      pid_ = 0;
      Fail("federity-server ended: " + output());
    }
    if (absl::Now() > end) {
      Kill();
      Fail("federity-server does not serve: " + output());
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
  address_ = std::string(
      absl::StripAsciiWhitespace(ReadFile(data_directory_ / "address", 4096).value_or("")));
}

int ServerProcess::Stop() {
  kill(pid_, SIGTERM);
  return Wait(std::exchange(pid_, 0));
}

void ServerProcess::Kill() {
  kill(pid_, SIGKILL);
  Wait(std::exchange(pid_, 0));
  std::error_code error;
  fs::remove(data_directory_ / "port", error);  // so that Start waits for its own
}

std::string ServerProcess::administrator_link() const {
  const auto link = ReadFile(data_directory_ / "administrator-link", 4096);
  if (!link.ok()) Fail("no administrator link: " + link.status().ToString());
  return std::string(absl::StripAsciiWhitespace(*link));
}

std::string ServerProcess::output() const {
  return ReadFile(folder_ / "output", kMaxFile).value_or("");
}

ServerProcess::Result ServerProcess::Run(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), FEDERITY_SERVER_PROGRAM);
  const fs::path output = folder_ / "run-output";
  std::error_code error;
  fs::remove(output, error);
  Result result;
  result.exit_status = Wait(Spawn(arguments, output));
  result.output = ReadFile(output, kMaxFile).value_or("");
  return result;
}

}  // namespace federity::testing
