#ifndef FEDERITY_TESTS_TESTING_SERVER_PROCESS_H_
#define FEDERITY_TESTS_TESTING_SERVER_PROCESS_H_

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/testing/temp_postgres.h"

namespace federity::testing {

// The real federity-server program on a free port of 127.0.0.1, with a data
// directory of its own that goes with it. It dies with the test's process.
// Failures throw std::runtime_error with what the program wrote. Thread-
// compatible; construct it on the main thread.
class ServerProcess {
 public:
  struct Options {
    // False: a TempPostgres by URL, which is faster. True: its own embedded one.
    bool embedded_database = false;
    std::vector<std::string> arguments;  // further ones of `run`
  };
  // Starts it and waits until it serves.
  explicit ServerProcess(Options options);
  ServerProcess() : ServerProcess(Options{}) {}
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // "localhost:PORT", as links name it; the same after each restart.
  const std::string& address() const { return address_; }
  const std::filesystem::path& data_directory() const { return data_directory_; }
  pid_t pid() const { return pid_; }
  // The link of the first administrator; REQUIRES: it was not used yet.
  std::string administrator_link() const;
  // What it wrote on standard output and error, of all runs.
  std::string output() const;
  // The database that it uses; REQUIRES: it is not embedded.
  TempPostgres& postgres() { return *postgres_; }

  // SIGTERM, and waits for the end; its exit status.
  int Stop();
  // SIGKILL: as a crash.
  void Kill();
  // After Stop or Kill.
  void Start();

  // Runs `federity-server VERB …` on the same data directory; exit status and
  // output.
  struct Result {
    int exit_status = -1;
    std::string output;
  };
  Result Run(std::vector<std::string> arguments) const;

 private:
  std::vector<std::string> RunArguments() const;

  const Options options_;
  std::filesystem::path folder_;
  std::filesystem::path data_directory_;
  std::unique_ptr<TempPostgres> postgres_;
  std::string port_ = "0";
  std::string address_;
  pid_t pid_ = 0;
};

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_TESTING_SERVER_PROCESS_H_
