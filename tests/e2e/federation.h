#ifndef FEDERITY_TESTS_E2E_FEDERATION_H_
#define FEDERITY_TESTS_E2E_FEDERATION_H_

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace federity::e2e {

// The programs as a user meets them: command lines, exit statuses, output.
// Everything fails the Catch2 test by an exception that shows the output.

struct Finished {
  int status = -1;  // exit status; 128 + signal
  std::string out;
  std::string err;
};

struct Command {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;  // nothing is inherited but PATH
  std::string input;
  int timeout_seconds = 120;  // then it is killed and the test fails
};

Finished Run(const Command& command);

// A program that keeps running; killed with its object.
class Daemon {
 public:
  Daemon(const Command& command, std::filesystem::path log);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  pid_t pid() const { return pid_; }
  // SIGKILL, as a power cut would.
  void Kill();
  // SIGTERM, then the exit status.
  int Terminate();
  std::string log() const;

 private:
  int Wait();
  pid_t pid_ = -1;
  std::filesystem::path log_;
};

// One hospital's workstation.
class Agent {
 public:
  Agent(std::filesystem::path directory, std::string name);
  // federity-agent ARGUMENTS --state-dir …; must succeed.
  std::string Do(std::vector<std::string> arguments, const std::string& input = "");
  Finished Try(std::vector<std::string> arguments, const std::string& input = "");
  nlohmann::json Json(std::vector<std::string> arguments);
  void Start();
  void Kill() { daemon_->Kill(); }
  int Stop() { return daemon_->Terminate(); }
  std::string log() const { return daemon_->log(); }
  const std::filesystem::path& directory() const { return directory_; }
  const std::string& name() const { return name_; }

 private:
  std::filesystem::path directory_;
  std::string name_;
  std::unique_ptr<Daemon> daemon_;
};

// A coordinator with an administrator ("admin") and St Mary's owner ("owner"),
// all in a folder of their own.
class Federation {
 public:
  Federation();
  ~Federation();
  Federation(const Federation&) = delete;
  Federation& operator=(const Federation&) = delete;

  // federity ARGUMENTS as `who`; must succeed; its output.
  std::string Do(const std::string& who, std::vector<std::string> arguments,
                 const std::string& input = "");
  Finished Try(const std::string& who, std::vector<std::string> arguments,
               const std::string& input = "");
  nlohmann::json Json(const std::string& who, std::vector<std::string> arguments);

  // A person with that role in the repository.
  void AddPerson(const std::string& who, const std::string& repository, const std::string& role,
                 const std::string& organization);
  // A workstation that joined, has the rows, approved, and runs.
  Agent& AddAgent(const std::string& repository, const std::string& organization,
                  const std::string& csv);
  // The same up to `join`.
  Agent& JoinAgent(const std::string& repository, const std::string& organization);
  void Approve(Agent& agent, const std::string& repository);

  void StartCoordinator();
  void KillCoordinator() { coordinator_->Kill(); }
  int StopCoordinator() { return coordinator_->Terminate(); }
  std::string coordinator_log() const { return coordinator_->log(); }
  const std::filesystem::path& directory() const { return directory_; }
  const std::string& address() const { return address_; }
  // Starts `count` rounds and watches to the end; the last line of the watch.
  nlohmann::json RunRounds(const std::string& repository, int count);

 private:
  void AwaitOnline(const std::string& repository, const std::string& organization);

  std::filesystem::path directory_;
  std::string address_;
  std::unique_ptr<Daemon> coordinator_;
  std::vector<std::unique_ptr<Agent>> agents_;
};

// The demonstration's breast cancer rows, dealt out to `parts` hospitals.
std::vector<std::string> DealBreastCancer(int parts);
std::filesystem::path DemoFile(const std::string& name);  // below deploy/demo
std::string ReadText(const std::filesystem::path& path);
void WriteText(const std::filesystem::path& path, const std::string& text);

}  // namespace federity::e2e

#endif  // FEDERITY_TESTS_E2E_FEDERATION_H_
