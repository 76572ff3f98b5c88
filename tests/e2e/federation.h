#ifndef FEDERITY_TESTS_E2E_FEDERATION_H_
#define FEDERITY_TESTS_E2E_FEDERATION_H_

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/testing/process.h"
#include "tests/testing/server_process.h"

namespace federity::e2e {

using testing::Finished;
using testing::ReadText;
using testing::WriteText;

// One hospital's workstation.
class Agent {
 public:
  Agent(std::filesystem::path directory, std::string organization);
  // federity-agent ARGUMENTS --state-dir …; must succeed; its output.
  std::string Do(std::vector<std::string> arguments, const std::string& input = "");
  Finished Try(std::vector<std::string> arguments, const std::string& input = "");
  nlohmann::json Json(std::vector<std::string> arguments);
  // With this environment besides (Faults).
  void Start(const std::map<std::string, std::string>& environment = {});
  bool Running() { return daemon_->Running(); }
  pid_t pid() const { return daemon_->pid(); }
  void Kill() { daemon_->Kill(); }
  int Stop() { return daemon_->Terminate(); }
  std::string log() const { return daemon_->log(); }
  const std::filesystem::path& directory() const { return directory_; }
  std::filesystem::path state() const { return directory_ / "state"; }
  const std::string& organization() const { return organization_; }

 private:
  const std::filesystem::path directory_;
  const std::string organization_;
  std::unique_ptr<testing::Daemon> daemon_;
};

// A coordinator with an administrator ("admin") and St Mary's owner ("owner"),
// all in a folder of their own.
class Federation {
 public:
  explicit Federation(testing::ServerProcess::Options options = {});
  Federation(const Federation&) = delete;
  Federation& operator=(const Federation&) = delete;

  testing::ServerProcess& coordinator() { return coordinator_; }
  const std::filesystem::path& directory() const { return folder_.path(); }
  std::filesystem::path home(const std::string& who) const { return directory() / who; }

  // federity ARGUMENTS as `who`; must succeed; its output.
  std::string Do(const std::string& who, std::vector<std::string> arguments,
                 const std::string& input = "");
  Finished Try(const std::string& who, std::vector<std::string> arguments,
               const std::string& input = "");
  nlohmann::json Json(const std::string& who, std::vector<std::string> arguments);

  // A repository with a model and a plan.
  void CreateRepository(const std::string& repository, const std::filesystem::path& model,
                        const std::string& plan);
  void SetPlan(const std::string& repository, const std::string& plan);
  // The link of an invitation by the owner.
  std::string Invite(const std::string& repository, const std::string& role,
                     const std::string& organization, std::vector<std::string> options = {});
  // A person with that role in the repository.
  void AddPerson(const std::string& who, const std::string& repository, const std::string& role,
                 const std::string& organization);
  // A workstation up to `join`.
  Agent& JoinAgent(const std::string& repository, const std::string& organization);
  // A workstation that joined, has the data, approved, and runs.
  Agent& AddAgent(const std::string& repository, const std::string& organization,
                  std::vector<std::string> dataset);
  Agent& AddTableAgent(const std::string& repository, const std::string& organization,
                       const std::string& csv);
  void Approve(Agent& agent, const std::string& repository);
  // Until the coordinator has the agent's stream.
  void AwaitOnline(const std::string& repository, const Agent& agent);

  // Watches to the end of the series; the round as it ended.
  nlohmann::json Watch(const std::string& repository);
  nlohmann::json RunRounds(const std::string& repository, int count);
  // The head, as `show --json` has it.
  nlohmann::json Head(const std::string& repository);

 private:
  testing::TemporaryFolder folder_;
  testing::ServerProcess coordinator_;
  std::vector<std::unique_ptr<Agent>> agents_;
};

// Three hospitals that hold the demonstration's breast cancer rows.
struct Hospitals {
  static constexpr char kRepository[] = "st-mary/breast";
  Federation federation;
  std::vector<Agent*> agents;

  explicit Hospitals(const std::string& plan, testing::ServerProcess::Options options = {});
  explicit Hospitals(testing::ServerProcess::Options options = {});
};

// Sets the order in which the memberships of a home or a state directory try their
// coordinator's addresses.
void Prefer(const std::filesystem::path& home, const std::vector<std::string>& addresses);
// The breast cancer rows, dealt out to `parts` hospitals.
std::vector<std::string> DealBreastCancer(int parts);
std::filesystem::path DemoFile(const std::string& name);         // below deploy/demo
std::filesystem::path GoldenModel(const std::string& name);      // "attention.script"
std::filesystem::path Program(const std::string& name);          // "federity"
// The text with the one place of `from` replaced; throws unless there is one.
std::string Edited(std::string text, const std::string& from, const std::string& to);

}  // namespace federity::e2e

#endif  // FEDERITY_TESTS_E2E_FEDERATION_H_
