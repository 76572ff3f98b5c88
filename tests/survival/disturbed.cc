#include "tests/survival/disturbed.h"

#include <chrono>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <utility>

namespace federity::survival {
namespace {

using nlohmann::json;
using testing::Faults;

constexpr auto kRepository = e2e::Hospitals::kRepository;

// The same seed in every round, so that undisturbed runs give the same weights.
std::string SeededPlan() {
  return e2e::Edited(e2e::ReadText(e2e::DemoFile("plan-wdbc.toml")), "[training]\n",
                     "[training]\nseed = 7\n");
}

bool HasEnded(const json& round) {
  const std::string state = round.at("state");
  return state == "COMMITTED" || state == "FAILED" || state == "CANCELLED";
}

}  // namespace

// Each look is a call of a program, so this does not spin.
void Await(const std::string& what, const std::function<bool()>& is_so) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("not in 120 s: " + what);
  }
}

Effort Effort::FromEnvironment() {
  const char* seed = std::getenv("FEDERITY_CHAOS_SEED");
  if (seed == nullptr) return {};
  return {.all = true, .random = std::mt19937_64(std::strtoull(seed, nullptr, 10))};
}

std::vector<Faults::Moment> Moments(const std::vector<std::string>& steps) {
  constexpr int kOccurrences = 3;
  std::map<std::string, int> counts;
  for (const std::string& step : steps) {
    // A heartbeat, which comes when it comes.
    if (step.find("online_until") == std::string::npos) ++counts[step];
  }
  std::vector<Faults::Moment> moments;
  for (const auto& [step, count] : counts) {
    for (int i = 1; i <= std::min(count, kOccurrences); ++i) {
      moments.push_back({.step = step, .count = i, .after = false});
      moments.push_back({.step = step, .count = i, .after = true});
    }
  }
  return moments;
}

std::string Describe(const Faults::Moment& moment) {
  return (moment.after ? "after '" : "before '") + moment.step + "' no. " +
         std::to_string(moment.count);
}

std::vector<std::string> UndisturbedDigests(size_t rounds) {
  e2e::Hospitals hospitals(SeededPlan());
  e2e::Federation& federation = hospitals.federation;
  std::vector<std::string> digests = {federation.Head(kRepository).at("weights_digest")};
  for (size_t i = 0; i < rounds; ++i) {
    if (federation.RunRounds(kRepository, 1).at("state") != "COMMITTED") {
      throw std::runtime_error("an undisturbed round failed");
    }
    digests.push_back(federation.Head(kRepository).at("weights_digest"));
  }
  return digests;
}

Disturbed::Disturbed(std::vector<std::string> undisturbed, testing::ServerProcess::Options options)
    : undisturbed_(std::move(undisturbed)), hospitals_(SeededPlan(), std::move(options)) {}

void Disturbed::StartRound() { federation().Try("owner", {"round", "start", kRepository}); }

std::optional<json> Disturbed::TryRounds() {
  const e2e::Finished list =
      federation().Try("owner", {"round", "list", kRepository, "--limit", "100000", "--json"});
  if (list.status != 0) return std::nullopt;
  return json::parse(list.out).at("rounds");
}

json Disturbed::Rounds() {
  std::optional<json> rounds;
  Await("round list", [&] { return (rounds = TryRounds()).has_value(); });
  return *rounds;
}

void Disturbed::Round(const std::function<void()>& disturb) {
  if (rounds_ + 1 >= undisturbed_.size()) throw std::logic_error("too few undisturbed rounds");
  disturb();
  if (!coordinator().Running()) coordinator().Start();
  for (e2e::Agent* agent : hospitals_.agents) {
    if (!agent->Running()) agent->Start();
  }
  if (Rounds().size() <= rounds_) {  // the call that should have made it was cut off
    federation().Do("owner", {"round", "start", kRepository});
  }
  Await("the round's end", [this] { return HasEnded(Rounds()[0]); });
  ++rounds_;
  Check();
}

void Disturbed::Check() {
  const json rounds = Rounds();
  const json log = federation().Json("owner", {"log", kRepository, "--limit", "100000"});
  const json& commit = log.at("commits")[0];
  const std::string digest = federation().Head(kRepository).at("weights_digest");
  std::string wrong;
  if (rounds.size() != rounds_) wrong += "another number of rounds; ";
  if (rounds[0].at("state") != "COMMITTED") wrong += "the round was not committed; ";
  if (log.at("commits").size() != rounds_ + 1) wrong += "another number of commits; ";
  if (commit.at("contributions") != 3) wrong += "not three contributions; ";
  if (digest != undisturbed_[rounds_]) wrong += "other weights; ";
  if (wrong.empty()) return;
  throw std::runtime_error(wrong + "\n" + rounds[0].dump(1) + "\n" + commit.dump(1) +
                           "\ncoordinator:\n" + coordinator().output() + "\nfirst agent:\n" +
                           agent(0).log());
}

bool Disturbed::KillCoordinator(const Faults::Moment& moment) {
  coordinator().Stop();
  coordinator_faults_.KillAt(moment);
  bool died = false;
  Round([&] {
    coordinator().Launch(coordinator_faults_.environment());
    if (coordinator().AwaitServing()) {
      StartRound();
      Await("the coordinator's or the round's end",
            [this] { return !coordinator().Running() || RoundHasEnded(); });
    }
    died = !coordinator().Running();
  });
  coordinator_faults_.KillNever();
  return died;
}

bool Disturbed::KillAgent(const Faults::Moment& moment) {
  agent(0).Stop();
  agent_faults_.KillAt(moment);
  bool died = false;
  Round([&] {
    agent(0).Start(agent_faults_.environment());
    StartRound();
    Await("the agent's or the round's end",
          [this] { return !agent(0).Running() || RoundHasEnded(); });
    died = !agent(0).Running();
  });
  agent_faults_.KillNever();
  return died;
}

std::vector<std::string> Disturbed::CoordinatorSteps() {
  coordinator().Stop();
  coordinator_faults_.ForgetSteps();
  coordinator().Start(coordinator_faults_.environment());
  Round([this] { StartRound(); });
  coordinator().Stop();
  std::vector<std::string> steps = coordinator_faults_.Steps();
  coordinator().Start();
  return steps;
}

std::vector<std::string> Disturbed::AgentSteps() {
  agent(0).Stop();
  agent_faults_.ForgetSteps();
  agent(0).Start(agent_faults_.environment());
  Round([this] { StartRound(); });
  agent(0).Stop();
  std::vector<std::string> steps = agent_faults_.Steps();
  agent(0).Start();
  return steps;
}

bool Disturbed::RoundHasEnded() {
  const std::optional<json> rounds = TryRounds();
  return rounds.has_value() && rounds->size() > rounds_ && HasEnded((*rounds)[0]);
}

}  // namespace federity::survival
