// Coordinator and agents end and come back, between and within rounds.

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/e2e/federation.h"

namespace federity::e2e {
namespace {

using nlohmann::json;

constexpr auto kRepository = Hospitals::kRepository;

// Same seed in every round, so that undisturbed runs give the same weights.
std::string SeededPlan() {
  return Edited(ReadText(DemoFile("plan-wdbc.toml")), "[training]\n", "[training]\nseed = 7\n");
}

std::string WeightsAfter(Federation& federation, int rounds) {
  const json log = federation.Json("owner", {"log", kRepository});
  REQUIRE(log.at("commits").size() == static_cast<size_t>(rounds) + 1);
  for (int i = 0; i < rounds; ++i) CHECK(log.at("commits")[i].at("contributions") == 3);
  return federation.Head(kRepository).at("weights_digest");
}

}  // namespace

TEST_CASE("Restarts between and within rounds change nothing", "[e2e]") {
  constexpr int kRounds = 2;
  std::string undisturbed;
  {
    Hospitals hospitals(SeededPlan());
    CHECK(hospitals.federation.RunRounds(kRepository, kRounds).at("state") == "COMMITTED");
    undisturbed = WeightsAfter(hospitals.federation, kRounds);
  }
  Hospitals hospitals(SeededPlan(), {.embedded_database = true});
  Federation& federation = hospitals.federation;
  std::vector<Agent*>& agents = hospitals.agents;

  // Stopped within a round.
  federation.Do("owner", {"round", "start", kRepository});
  CHECK(agents[0]->Stop() == 0);
  CHECK(federation.coordinator().Stop() == 0);
  federation.coordinator().Start();
  agents[0]->Start();
  CHECK(federation.Watch(kRepository).at("state") == "COMMITTED");

  // Stopped between rounds.
  CHECK(federation.coordinator().Stop() == 0);
  for (Agent* agent : agents) CHECK(agent->Stop() == 0);
  federation.coordinator().Start();
  for (Agent* agent : agents) {
    agent->Start();
    federation.AwaitOnline(kRepository, *agent);
  }

  // Killed within a round; the database runs on and is adopted.
  federation.Do("owner", {"round", "start", kRepository});
  federation.coordinator().Kill();
  agents[1]->Kill();
  federation.coordinator().Start();
  agents[1]->Start();
  CHECK(federation.Watch(kRepository).at("state") == "COMMITTED");
  CHECK(WeightsAfter(federation, kRounds) == undisturbed);
  CHECK(federation.coordinator().Stop() == 0);
}

}  // namespace federity::e2e
