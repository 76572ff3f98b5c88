#ifndef FEDERITY_TESTS_TESTING_PROCESS_H_
#define FEDERITY_TESTS_TESTING_PROCESS_H_

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace federity::testing {

// Programs as a user meets them: command lines, exit statuses, output. Every
// program dies with the test's process. Failures throw std::runtime_error with
// what the program wrote. Thread-compatible; use it on the main thread.

struct Command {
  std::vector<std::string> argv;
  // All that it inherits besides are PATH and the sanitizers' options.
  std::map<std::string, std::string> environment = {};
  std::string input = {};
  int timeout_seconds = 180;  // then it is killed and the test fails
};

struct Finished {
  int status = -1;  // exit status; 128 + signal
  std::string out;
  std::string err;
};

// Runs to the end.
Finished Run(const Command& command);

// A program that keeps running, its output appended to a file; killed with its
// object.
class Daemon {
 public:
  Daemon(const Command& command, std::filesystem::path log);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // 0 after Kill, Terminate, or an end that Running saw.
  pid_t pid() const { return pid_; }
  bool Running();
  // SIGKILL, as a power cut would.
  void Kill();
  // SIGTERM, and waits; the exit status, -1 if it ran no more.
  int Terminate();
  std::string log() const;

 private:
  pid_t pid_ = 0;
  const std::filesystem::path log_;
};

// A new folder below the system's temporary one that every user may pass
// through (PostgreSQL does not run as root), removed with its object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string ReadText(const std::filesystem::path& path);  // empty if it can't be read
void WriteText(const std::filesystem::path& path, const std::string& text);

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_TESTING_PROCESS_H_
