#include "tests/testing/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "common/base/files.h"

namespace federity::testing {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

[[noreturn]] void Fail(const std::string& message) { throw std::runtime_error(message); }

std::string Quote(const std::vector<std::string>& argv) {
  std::string line;
  for (const std::string& argument : argv) line += (line.empty() ? "" : " ") + argument;
  return line;
}

std::vector<std::string> Environment(const Command& command) {
  std::vector<std::string> variables = {"PATH=" + fs::path(command.argv[0]).parent_path().string() +
                                        ":/usr/bin:/bin"};
  for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) variables.push_back(std::string(name) + "=" + value);
  }
  for (const auto& [name, value] : command.environment) {
    variables.push_back(std::string(name).append("=").append(value));
  }
  return variables;
}

// Starts it with these three descriptors; it gets the signal when this process ends.
pid_t Spawn(const Command& command, int in, int out, int err, int death_signal) {
  std::vector<std::string> arguments = command.argv, variables = Environment(command);
  std::vector<char*> argv, environment;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  for (std::string& variable : variables) environment.push_back(variable.data());
  argv.push_back(nullptr);
  environment.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) Fail("fork");
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, death_signal);
  if (getppid() != parent) _exit(127);
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  execve(argv[0], argv.data(), environment.data());
  _exit(127);
}

int Wait(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Reads both pipes to their ends, or to the deadline (then false).
bool Drain(int out, int err, SteadyClock::time_point deadline, Finished* finished) {
  pollfd fds[2] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
  std::string* texts[2] = {&finished->out, &finished->err};
  char buffer[65536];
  for (int open = 2; open > 0;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - SteadyClock::now());
    if (left.count() <= 0 || poll(fds, 2, static_cast<int>(left.count())) == 0) return false;
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      const ssize_t n = read(fds[i].fd, buffer, sizeof(buffer));
      if (n > 0) {
        texts[i]->append(buffer, static_cast<size_t>(n));
      } else {
        fds[i].fd = -1;
        --open;
      }
    }
  }
  return true;
}

struct Pipe {
  FileDescriptor read, write;
  Pipe() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) Fail("pipe2");
    read = FileDescriptor(fds[0]);
    write = FileDescriptor(fds[1]);
  }
};

}  // namespace

Finished Run(const Command& command) {
  Pipe in, out, err;
  const pid_t pid = Spawn(command, in.read.get(), out.write.get(), err.write.get(), SIGKILL);
  in.read = FileDescriptor();
  out.write = FileDescriptor();
  err.write = FileDescriptor();
  if (write(in.write.get(), command.input.data(), command.input.size()) <
      0) { /* it need not read */
  }
  in.write = FileDescriptor();
  Finished finished;
  const auto deadline = SteadyClock::now() + std::chrono::seconds(command.timeout_seconds);
  const bool ended = Drain(out.read.get(), err.read.get(), deadline, &finished);
  if (!ended) kill(pid, SIGKILL);
  finished.status = Wait(pid);
  if (!ended) {
    Fail("no end within " + std::to_string(command.timeout_seconds) + " s: " + Quote(command.argv) +
         "\n" + finished.out + finished.err);
  }
  return finished;
}

Daemon::Daemon(const Command& command, fs::path log) : log_(std::move(log)) {
  const FileDescriptor null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const FileDescriptor out(open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!null.valid() || !out.valid()) Fail("can't open " + log_.string());
  // Not SIGKILL: a coordinator takes its database down.
  pid_ = Spawn(command, null.get(), out.get(), out.get(), SIGTERM);
}

Daemon::~Daemon() { Kill(); }

bool Daemon::Running() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = 0;
  return pid_ > 0;
}

void Daemon::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  Wait(std::exchange(pid_, 0));
}

int Daemon::Terminate() {
  if (pid_ <= 0) return -1;
  kill(pid_, SIGTERM);
  kill(pid_, SIGCONT);  // should a test have stopped it
  return Wait(std::exchange(pid_, 0));
}

std::string Daemon::log() const { return ReadText(log_); }

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "federity-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) Fail("mkdtemp");
  chmod(pattern.c_str(), 0711);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string ReadText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void WriteText(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out.flush()) Fail("can't write " + path.string());
}

}  // namespace federity::testing
