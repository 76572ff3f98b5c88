#ifndef FEDERITY_TESTS_SURVIVAL_DISTURBED_H_
#define FEDERITY_TESTS_SURVIVAL_DISTURBED_H_

#include <algorithm>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/e2e/federation.h"
#include "tests/testing/faults.h"

namespace federity::survival {

// How much is tried. In every run of the tests a sample, always the same; with
// FEDERITY_CHAOS_SEED (deploy/test.sh --chaos SEED) everything, in an order of its own.
struct Effort {
  bool all = false;
  std::mt19937_64 random{1};
  static Effort FromEnvironment();
  // All of them or `few`, shuffled.
  template <typename T>
  std::vector<T> Choose(std::vector<T> items, size_t few) {
    std::shuffle(items.begin(), items.end(), random);
    if (!all && items.size() > few) items.resize(few);
    return items;
  }
};

// Each step of `steps` as moments: before and after its first occurrences.
std::vector<testing::Faults::Moment> Moments(const std::vector<std::string>& steps);
std::string Describe(const testing::Faults::Moment& moment);

// Until it is so, for at most two minutes; then throws, naming it.
void Await(const std::string& what, const std::function<bool()>& is_so);

// The weights' digest after each of so many rounds that nothing disturbs, under
// the plan that Disturbed has. [0] is the model at its beginning.
std::vector<std::string> UndisturbedDigests(size_t rounds);

// Three hospitals whose rounds give the same weights in every run, and what has to
// hold whatever happened to them: each round is committed with the weights of the
// undisturbed run and with every contribution, once.
class Disturbed {
 public:
  explicit Disturbed(std::vector<std::string> undisturbed,
                     testing::ServerProcess::Options options = {});

  e2e::Federation& federation() { return hospitals_.federation; }
  testing::ServerProcess& coordinator() { return federation().coordinator(); }
  e2e::Agent& agent(size_t i) { return *hospitals_.agents[i]; }

  // Asks for a round; the coordinator may die of it.
  void StartRound();
  // Lets `disturb` start a round and do its worst, brings back whatever does not run,
  // starts the round if that came to nothing, and checks what is above at its end.
  // Throws with what the programs wrote if it doesn't hold.
  void Round(const std::function<void()>& disturb);
  // A round in which the coordinator (the first agent) dies at that moment; false if
  // the moment did not come.
  bool KillCoordinator(const testing::Faults::Moment& moment);
  bool KillAgent(const testing::Faults::Moment& moment);
  // The steps of a start and one round.
  std::vector<std::string> CoordinatorSteps();
  std::vector<std::string> AgentSteps();

  size_t rounds() const { return rounds_; }  // committed ones

 private:
  // Newest first; nothing while the coordinator does not answer.
  std::optional<nlohmann::json> TryRounds();
  nlohmann::json Rounds();
  bool RoundHasEnded();
  void Check();

  const std::vector<std::string> undisturbed_;
  testing::Faults coordinator_faults_{"federity-server"};
  testing::Faults agent_faults_{"federity-agent"};
  e2e::Hospitals hospitals_;
  size_t rounds_ = 0;
};

}  // namespace federity::survival

#endif  // FEDERITY_TESTS_SURVIVAL_DISTURBED_H_
