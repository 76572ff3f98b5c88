#include "tests/testing/server_process.h"

#include <signal.h>

#include <stdexcept>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace federity::testing {
namespace {

namespace fs = std::filesystem;

std::string ReadLine(const fs::path& path) {
  return std::string(absl::StripAsciiWhitespace(ReadText(path)));
}

// The embedded postmaster of a server that was killed.
void KillPostmaster(const fs::path& data_directory) {
  pid_t pid = 0;
  const std::vector<std::string> lines =
      absl::StrSplit(ReadText(data_directory / "postgres/postmaster.pid"), '\n');
  if (absl::SimpleAtoi(lines[0], &pid) && pid > 1) kill(pid, SIGQUIT);
}

// What replicas have in common, as a configuration.
std::string SharedParts(const ServerProcess& server) {
  const std::string data = server.data_directory().string();
  return "key_file = \"" + data + ".key\"\n[blobs]\ndirectory = \"" + data + "/blobs\"\n";
}

}  // namespace

ServerProcess::ServerProcess(Options options)
    : options_(std::move(options)), data_directory_(folder_.path() / "data") {
  const bool shares = options_.replica_of != nullptr;
  if (!options_.embedded_database && !shares) postgres_ = std::make_unique<TempPostgres>();
  if (shares) WriteText(config(), SharedParts(*options_.replica_of));
  Start();
}

ServerProcess::~ServerProcess() {
  Stop();
  KillPostmaster(data_directory_);
}

void ServerProcess::Launch(const std::map<std::string, std::string>& environment) {
  std::vector<std::string> argv = {FEDERITY_SERVER_PROGRAM,  "run",      "--data-dir",
                                   data_directory_.string(), "--listen", "127.0.0.1:" + port_};
  if (!options_.embedded_database) {
    argv.insert(argv.end(), {"--database-url", postgres().url()});
  }
  if (options_.replica_of != nullptr) argv.insert(argv.end(), {"--config", config().string()});
  for (const std::string& address : public_) argv.insert(argv.end(), {"--public", address});
  argv.insert(argv.end(), options_.arguments.begin(), options_.arguments.end());
  std::error_code none;
  fs::remove(data_directory_ / "port", none);  // of a run that was killed
  daemon_ = std::make_unique<Daemon>(Command{.argv = std::move(argv), .environment = environment},
                                     folder_.path() / "output");
}

bool ServerProcess::AwaitServing() {
  const fs::path port = data_directory_ / "port";  // written atomically once it serves
  for (const absl::Time end = absl::Now() + absl::Seconds(90); !fs::exists(port);) {
    if (!daemon_->Running()) return false;
    if (absl::Now() > end) throw std::runtime_error("federity-server does not serve: " + output());
    absl::SleepFor(absl::Milliseconds(5));
  }
  port_ = ReadLine(port);
  address_ = ReadLine(data_directory_ / "address");
  if (options_.on_serving) options_.on_serving(std::stoi(port_));
  return true;
}

void ServerProcess::Start(const std::map<std::string, std::string>& environment) {
  Launch(environment);
  if (!AwaitServing()) throw std::runtime_error("federity-server ended: " + output());
}

void ServerProcess::Kill() { daemon_->Kill(); }

std::string ServerProcess::administrator_link() const {
  std::string link = ReadLine(data_directory_ / "administrator-link");
  if (link.empty()) throw std::runtime_error("no administrator link");
  return link;
}

Finished ServerProcess::Run(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), FEDERITY_SERVER_PROGRAM);
  return testing::Run({.argv = std::move(arguments)});
}

}  // namespace federity::testing
