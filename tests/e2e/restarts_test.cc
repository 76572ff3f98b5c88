// Coordinator and agents end and come back, between and within rounds.

#include <catch2/catch.hpp>
#include <string>

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
  constexpr int kRounds = 3;
  std::string undisturbed;
  {
    Hospitals hospitals(SeededPlan());
    CHECK(hospitals.federation.RunRounds(kRepository, kRounds).at("state") == "COMMITTED");
    undisturbed = WeightsAfter(hospitals.federation, kRounds);
  }

  SECTION("stopped and started between rounds") {
    Hospitals hospitals(SeededPlan(), {.embedded_database = true});
    Federation& federation = hospitals.federation;
    for (int round = 0; round < kRounds; ++round) {
      CHECK(federation.RunRounds(kRepository, 1).at("state") == "COMMITTED");
      CHECK(federation.coordinator().Stop() == 0);
      for (Agent* agent : hospitals.agents) CHECK(agent->Stop() == 0);
      federation.coordinator().Start();
      for (Agent* agent : hospitals.agents) {
        agent->Start();
        federation.AwaitOnline(kRepository, *agent);
      }
    }
    CHECK(WeightsAfter(federation, kRounds) == undisturbed);
  }

  SECTION("stopped within a round") {
    Hospitals hospitals(SeededPlan(), {.embedded_database = true});
    Federation& federation = hospitals.federation;
    federation.Do("owner", {"round", "start", kRepository, "--count", std::to_string(kRounds)});
    CHECK(hospitals.agents[0]->Stop() == 0);
    CHECK(federation.coordinator().Stop() == 0);
    hospitals.agents[0]->Start();
    federation.coordinator().Start();
    CHECK(federation.Watch(kRepository).at("state") == "COMMITTED");
    CHECK(WeightsAfter(federation, kRounds) == undisturbed);
  }

  SECTION("killed within a round") {
    Hospitals hospitals(SeededPlan(), {.embedded_database = true});
    Federation& federation = hospitals.federation;
    federation.Do("owner", {"round", "start", kRepository, "--count", std::to_string(kRounds)});
    federation.coordinator().Kill();
    hospitals.agents[1]->Kill();
    federation.coordinator().Start();
    hospitals.agents[1]->Start();
    CHECK(federation.Watch(kRepository).at("state") == "COMMITTED");
    CHECK(WeightsAfter(federation, kRounds) == undisturbed);
    CHECK(federation.coordinator().Stop() == 0);
  }
}

}  // namespace federity::e2e
