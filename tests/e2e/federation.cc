#include "tests/e2e/federation.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace federity::e2e {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

[[noreturn]] void Fail(const std::string& message) { throw std::runtime_error(message); }

std::string Quote(const std::vector<std::string>& argv) {
  std::string line;
  for (const std::string& argument : argv) line += (line.empty() ? "" : " ") + argument;
  return line;
}

std::string Program(const std::string& name) { return std::string(FEDERITY_BIN_DIR) + "/" + name; }

// Starts argv with the three descriptors; dies with the test process.
pid_t Spawn(const Command& command, int in, int out, int err) {
  std::vector<char*> argv;
  for (const std::string& argument : command.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> variables = {std::string("PATH=") + FEDERITY_BIN_DIR + ":/usr/bin:/bin"};
  for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) variables.push_back(std::string(name) + "=" + value);
  }
  for (const auto& [name, value] : command.environment) variables.push_back(name + "=" + value);
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  execve(argv[0], argv.data(), environment.data());
  _exit(127);
}

int ExitStatus(int raw) { return WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw); }

// Reads both pipes to their ends, or to the deadline (then false).
bool Drain(int out, int err, Clock::time_point deadline, Finished* finished) {
  pollfd fds[2] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
  std::string* texts[2] = {&finished->out, &finished->err};
  int open = 2;
  char buffer[65536];
  while (open > 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0 || poll(fds, 2, static_cast<int>(left)) == 0) return false;
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

// Waits, through inotify, until the file is there and not empty.
void AwaitFile(const fs::path& path, const Daemon& daemon) {
  const int notify = inotify_init1(IN_CLOEXEC);
  inotify_add_watch(notify, path.parent_path().c_str(), IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE);
  const auto deadline = Clock::now() + std::chrono::seconds(90);
  std::error_code error;
  while (!fs::exists(path, error) || fs::file_size(path, error) == 0) {
    pollfd fd = {notify, POLLIN, 0};
    poll(&fd, 1, 1000);
    char buffer[4096];
    if (fd.revents != 0 && read(notify, buffer, sizeof(buffer)) < 0) break;
    int raw = 0;
    if (waitpid(daemon.pid(), &raw, WNOHANG | WNOWAIT) == daemon.pid() || Clock::now() > deadline) {
      close(notify);
      Fail("no " + path.string() + "; the coordinator says:\n" + daemon.log());
    }
  }
  close(notify);
}

}  // namespace

Finished Run(const Command& command) {
  int in[2], out[2], err[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
    Fail("pipe2 failed");
  }
  const pid_t pid = Spawn(command, in[0], out[1], err[1]);
  close(in[0]);
  close(out[1]);
  close(err[1]);
  if (write(in[1], command.input.data(), command.input.size()) < 0) { /* it need not read */ }
  close(in[1]);
  Finished finished;
  const auto deadline = Clock::now() + std::chrono::seconds(command.timeout_seconds);
  const bool ended = Drain(out[0], err[0], deadline, &finished);
  if (!ended) kill(pid, SIGKILL);
  close(out[0]);
  close(err[0]);
  int raw = 0;
  waitpid(pid, &raw, 0);
  finished.status = ExitStatus(raw);
  if (!ended) {
    Fail("no end within " + std::to_string(command.timeout_seconds) + " s: " + Quote(command.argv) +
         "\n" + finished.out + finished.err);
  }
  return finished;
}

Daemon::Daemon(const Command& command, fs::path log) : log_(std::move(log)) {
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int out = open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pid_ = Spawn(command, null, out, out);
  close(null);
  close(out);
}

Daemon::~Daemon() {
  if (pid_ > 0) Kill();
}

int Daemon::Wait() {
  int raw = 0;
  waitpid(pid_, &raw, 0);
  pid_ = -1;
  return ExitStatus(raw);
}

void Daemon::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  Wait();
}

int Daemon::Terminate() {
  if (pid_ <= 0) return -1;
  kill(pid_, SIGTERM);
  return Wait();
}

std::string Daemon::log() const { return ReadText(log_); }

Agent::Agent(fs::path directory, std::string name)
    : directory_(std::move(directory)), name_(std::move(name)) {
  fs::create_directories(directory_);
}

Finished Agent::Try(std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.begin(), Program("federity-agent"));
  arguments.insert(arguments.end(), {"--state-dir", (directory_ / "state").string()});
  return Run({.argv = std::move(arguments),
              .environment = {{"HOME", directory_.string()}, {"LANG", "C.UTF-8"}},
              .input = input});
}

std::string Agent::Do(std::vector<std::string> arguments, const std::string& input) {
  const std::string line = Quote(arguments);
  Finished finished = Try(std::move(arguments), input);
  if (finished.status != 0) {
    Fail("federity-agent " + line + ": exit " + std::to_string(finished.status) + "\n" +
         finished.out + finished.err);
  }
  return finished.out;
}

nlohmann::json Agent::Json(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  return nlohmann::json::parse(Do(std::move(arguments)));
}

void Agent::Start() {
  daemon_ = std::make_unique<Daemon>(
      Command{.argv = {Program("federity-agent"), "run", "--state-dir",
                       (directory_ / "state").string()},
              .environment = {{"HOME", directory_.string()}, {"LANG", "C.UTF-8"}}},
      directory_ / "agent.log");
}

Federation::Federation() {
  std::string pattern = (fs::temp_directory_path() / "federity-e2e-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) Fail("mkdtemp failed");
  directory_ = pattern;
  fs::permissions(directory_, static_cast<fs::perms>(0711));  // PostgreSQL's user passes through
  StartCoordinator();
  Do("admin", {"join", "-"}, ReadText(directory_ / "coordinator" / "administrator-link"));
  const std::string link = Json("admin", {"org", "invite", "st-mary"}).at("link");
  Do("owner", {"join", "-"}, link);
}

Federation::~Federation() {
  agents_.clear();
  if (coordinator_) coordinator_->Terminate();
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

void Federation::StartCoordinator() {
  const fs::path data = directory_ / "coordinator";
  fs::create_directories(data);
  // The first start takes a free port, later ones the same.
  const std::string listen = address_.empty() ? "127.0.0.1:0" : address_;
  fs::remove(data / "port");
  coordinator_ = std::make_unique<Daemon>(
      Command{.argv = {Program("federity-server"), "run", "--data-dir", data.string(), "--listen",
                       listen, "--public", listen}},
      directory_ / "server.log");
  AwaitFile(data / "port", *coordinator_);
  std::string port = ReadText(data / "port");
  while (!port.empty() && std::isspace(static_cast<unsigned char>(port.back()))) port.pop_back();
  address_ = "127.0.0.1:" + port;
}

Finished Federation::Try(const std::string& who, std::vector<std::string> arguments,
                         const std::string& input) {
  arguments.insert(arguments.begin(), Program("federity"));
  return Run({.argv = std::move(arguments),
              .environment = {{"FEDERITY_HOME", (directory_ / who).string()},
                              {"HOME", directory_.string()},
                              {"LANG", "C.UTF-8"}},
              .input = input});
}

std::string Federation::Do(const std::string& who, std::vector<std::string> arguments,
                           const std::string& input) {
  const std::string line = Quote(arguments);
  Finished finished = Try(who, std::move(arguments), input);
  if (finished.status != 0) {
    Fail(who + ": federity " + line + ": exit " + std::to_string(finished.status) + "\n" +
         finished.out + finished.err + "\ncoordinator:\n" + coordinator_->log());
  }
  return finished.out;
}

nlohmann::json Federation::Json(const std::string& who, std::vector<std::string> arguments) {
  arguments.push_back("--json");
  return nlohmann::json::parse(Do(who, std::move(arguments)));
}

void Federation::AddPerson(const std::string& who, const std::string& repository,
                           const std::string& role, const std::string& organization) {
  const std::string link =
      Json("owner", {"invite", repository, "--role", role, "--org", organization}).at("link");
  Do(who, {"join", "-"}, link);
}

Agent& Federation::JoinAgent(const std::string& repository, const std::string& organization) {
  const std::string link = Json("owner", {"invite", repository, "--role", "contributor", "--org",
                                          organization, "--for", "agent"})
                               .at("link");
  auto agent = std::make_unique<Agent>(
      directory_ / ("agent-" + std::to_string(agents_.size() + 1)), organization);
  agent->Do({"join", "-"}, link);
  agents_.push_back(std::move(agent));
  return *agents_.back();
}

void Federation::Approve(Agent& agent, const std::string& repository) {
  const std::string digest =
      agent.Json({"approve", repository, "--show"}).at("approval_digest");
  agent.Do({"approve", repository, "--digest", digest});
}

Agent& Federation::AddAgent(const std::string& repository, const std::string& organization,
                            const std::string& csv) {
  Agent& agent = JoinAgent(repository, organization);
  const fs::path file = agent.directory() / "patients.csv";
  WriteText(file, csv);
  agent.Do({"dataset", "add", file.string(), "--repo", repository});
  Approve(agent, repository);
  agent.Start();
  AwaitOnline(repository, organization);
  return agent;
}

// Asks until the coordinator has the agent's stream; each look is a call.
void Federation::AwaitOnline(const std::string& repository, const std::string& organization) {
  const auto deadline = Clock::now() + std::chrono::seconds(60);
  while (Clock::now() < deadline) {
    const nlohmann::json list = Json("owner", {"member", "list", repository});
    for (const nlohmann::json& member : list.at("members")) {
      if (member.value("organization_display_name", "") == organization &&
          member.value("online", false)) {
        return;
      }
    }
  }
  Fail(organization + " did not come online in 60 s");
}

nlohmann::json Federation::RunRounds(const std::string& repository, int count) {
  Do("owner", {"round", "start", repository, "--count", std::to_string(count)});
  std::istringstream lines(Do("owner", {"round", "watch", repository, "--json"}));
  std::string line, last;
  while (std::getline(lines, line)) {
    if (!line.empty()) last = line;
  }
  return nlohmann::json::parse(last);
}

std::vector<std::string> DealBreastCancer(int parts) {
  std::istringstream lines(ReadText(DemoFile("data/wdbc.csv")));
  std::string header, line;
  std::getline(lines, header);
  std::vector<std::string> dealt(static_cast<size_t>(parts), header + "\n");
  for (size_t i = 0; std::getline(lines, line); ++i) dealt[i % dealt.size()] += line + "\n";
  return dealt;
}

fs::path DemoFile(const std::string& name) {
  return fs::path(FEDERITY_SOURCE_DIR) / "deploy" / "demo" / name;
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
}

}  // namespace federity::e2e
