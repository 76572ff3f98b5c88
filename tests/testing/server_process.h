#ifndef FEDERITY_TESTS_TESTING_SERVER_PROCESS_H_
#define FEDERITY_TESTS_TESTING_SERVER_PROCESS_H_

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/testing/process.h"
#include "tests/testing/temp_postgres.h"

namespace federity::testing {

// The real federity-server program on a free port of 127.0.0.1, with a data
// directory of its own that goes with it. Failures throw std::runtime_error with
// what the program wrote. Thread-compatible; construct it on the main thread.
class ServerProcess {
 public:
  struct Options {
    // False: a TempPostgres by URL, which is faster. True: its own embedded one.
    bool embedded_database = false;
    std::vector<std::string> arguments = {};  // further ones of `run`
    // Called with its port each time that it serves, before anybody is told.
    std::function<void(int)> on_serving = {};
    // Shares database, blobs and key file of that one, which has no embedded
    // database and outlives this.
    ServerProcess* replica_of = nullptr;
  };
  // Starts it and waits until it serves.
  explicit ServerProcess(Options options);
  ServerProcess() : ServerProcess(Options{}) {}
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // "localhost:PORT", or the first public address, as links name it; the same
  // after each restart.
  const std::string& address() const { return address_; }
  const std::filesystem::path& data_directory() const { return data_directory_; }
  pid_t pid() const { return daemon_->pid(); }
  // The link of the first administrator; REQUIRES: it was not used yet.
  std::string administrator_link() const;
  // What it wrote on standard output and error, of all runs.
  std::string output() const { return daemon_->log(); }
  // The database that it uses; REQUIRES: it is not embedded.
  TempPostgres& postgres() { return *(postgres_ ? postgres_ : options_.replica_of->postgres_); }
  // What clients are told from the next start on; without it, `address` alone.
  void SetPublic(std::vector<std::string> addresses) { public_ = std::move(addresses); }

  // SIGTERM, and waits for the end; its exit status.
  int Stop() { return daemon_->Terminate(); }
  // SIGKILL: as a crash. An embedded database runs on.
  void Kill();
  // After Stop or Kill; with this environment besides (Faults).
  void Start(const std::map<std::string, std::string>& environment = {});
  // The same in two steps, for a start that may end early: then false.
  void Launch(const std::map<std::string, std::string>& environment);
  bool AwaitServing();
  // Whether it still runs. REQUIRES: Start or Kill after it says no.
  bool Running() { return daemon_->Running(); }

  // Runs `federity-server ARGUMENTS` beside it.
  static Finished Run(std::vector<std::string> arguments);

 private:
  std::filesystem::path config() const { return folder_.path() / "server.toml"; }

  const Options options_;
  TemporaryFolder folder_;
  const std::filesystem::path data_directory_;
  std::unique_ptr<TempPostgres> postgres_;
  std::string port_ = "0";
  std::string address_;
  std::vector<std::string> public_;
  std::unique_ptr<Daemon> daemon_;
};

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_TESTING_SERVER_PROCESS_H_
