// The journeys of the README, through the programs.

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "tests/e2e/federation.h"

namespace federity::e2e {
namespace {

using nlohmann::json;

constexpr auto kRepository = Hospitals::kRepository;

}  // namespace

TEST_CASE("Own a model and contribute: rounds of training give a better model", "[e2e]") {
  Hospitals hospitals;
  Federation& federation = hospitals.federation;
  const json last = federation.RunRounds(kRepository, 3);
  CHECK(last.at("state") == "COMMITTED");
  CHECK(last.at("accepted") == 3);

  const json log = federation.Json("owner", {"log", kRepository});
  REQUIRE(log.at("commits").size() == 4);
  CHECK(log.at("commits")[0].at("version") == 4);
  CHECK(log.at("commits")[0].at("contributions") == 3);

  // The merged model is better than the first on rows of another split.
  const std::string test = (federation.directory() / "test.csv").string();
  WriteText(test, DealBreastCancer(5)[2]);
  const json before = federation.Json("owner", {"evaluate", "st-mary/breast@v1", "--data", test});
  const json after = federation.Json("owner", {"evaluate", "st-mary/breast", "--data", test});
  CHECK(after.at("accuracy").get<double>() > 0.9);
  CHECK(after.at("loss").get<double>() < before.at("loss").get<double>());

  // Pull in both forms; the archive goes round again as a new push of the same weights.
  const std::string weights = (federation.directory() / "model.safetensors").string();
  const std::string model = (federation.directory() / "model.pt").string();
  federation.Do("owner", {"pull", kRepository, "-o", weights});
  federation.Do("owner", {"pull", kRepository, "-o", model});
  CHECK(std::filesystem::file_size(weights) > 2000);
  const Finished again =
      federation.Try("owner", {"push", kRepository, "--model", model, "-m", "the same again"});
  CHECK(again.status != 0);
  CHECK(again.err.find("nothing") != std::string::npos);
}

TEST_CASE("Nothing runs before approval, and a changed plan needs a new one", "[e2e]") {
  Hospitals hospitals;
  Federation& federation = hospitals.federation;
  // Changing the learning rate changes the plan's digest.
  std::string plan = ReadText(DemoFile("plan-wdbc.toml"));
  plan = Edited(plan, "learning_rate = 0.05", "learning_rate = 0.04");
  plan = Edited(plan, "recruit_deadline = \"5m\"", "recruit_deadline = \"1s\"");
  federation.SetPlan(kRepository, plan);
  federation.Do("owner", {"round", "start", kRepository});
  const Finished watch = federation.Try("owner", {"round", "watch", kRepository});
  CHECK(watch.status == 1);
  CHECK(federation.Json("owner", {"round", "list", kRepository}).at("rounds")[0].at("state") ==
        "FAILED");
  CHECK(federation.Json("owner", {"log", kRepository}).at("commits").size() == 1);

  federation.SetPlan(kRepository, Edited(plan, "\"1s\"", "\"1m\""));
  federation.Do("owner", {"round", "start", kRepository});
  CHECK(federation.Json("owner", {"round", "show", kRepository}).dump().find("approval outdated") !=
        std::string::npos);
  for (Agent* agent : hospitals.agents) federation.Approve(*agent, kRepository);
  CHECK(federation.Watch(kRepository).at("state") == "COMMITTED");
}

}  // namespace federity::e2e
