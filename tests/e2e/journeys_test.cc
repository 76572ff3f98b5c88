// The journeys of the README, through the programs.

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "tests/e2e/federation.h"

namespace federity::e2e {
namespace {

using nlohmann::json;

constexpr char kRepository[] = "st-mary/breast";

// A repository with three agents that hold the breast cancer rows.
struct Hospitals {
  Federation federation;
  std::vector<Agent*> agents;

  explicit Hospitals(const std::string& plan = DemoFile("plan-wdbc.toml").string()) {
    federation.Do("owner", {"repo", "create", kRepository, "--model",
                            DemoFile("models/wdbc.pt").string(), "--plan", plan});
    int i = 0;
    for (const std::string& csv : DealBreastCancer(3)) {
      agents.push_back(
          &federation.AddAgent(kRepository, "Hospital " + std::to_string(++i), csv));
    }
  }
};

}  // namespace

TEST_CASE("Own a model and contribute: rounds of training give a better model", "[e2e]") {
  Hospitals hospitals;
  Federation& federation = hospitals.federation;
  federation.Do("owner", {"stats", "run", kRepository});
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
  federation.Do("owner", {"stats", "run", kRepository});
  // Changing the learning rate changes the plan's digest.
  std::string plan = ReadText(DemoFile("plan-wdbc.toml"));
  plan.replace(plan.find("learning_rate = 0.05"), 20, "learning_rate = 0.04");
  plan.replace(plan.find("recruit_deadline = \"5m\""), 23, "recruit_deadline = \"1s\"");
  const std::string file = (federation.directory() / "plan.toml").string();
  WriteText(file, plan);
  federation.Do("owner", {"plan", "set", kRepository, file});
  federation.Do("owner", {"round", "start", kRepository});
  const Finished watch = federation.Try("owner", {"round", "watch", kRepository});
  CHECK(watch.status == 1);
  CHECK(watch.out.find("approval") != std::string::npos);

  for (Agent* agent : hospitals.agents) federation.Approve(*agent, kRepository);
  plan.replace(plan.find("recruit_deadline = \"1s\""), 23, "recruit_deadline = \"1m\"");
  CHECK(federation.Json("owner", {"round", "list", kRepository}).at("rounds")[0].at("state") ==
        "FAILED");
  CHECK(federation.Json("owner", {"log", kRepository}).at("commits").size() == 1);
}

TEST_CASE("Check: an auditor reads history and audit, never the model", "[e2e]") {
  Hospitals hospitals;
  Federation& federation = hospitals.federation;
  federation.Do("owner", {"stats", "run", kRepository});
  federation.RunRounds(kRepository, 1);
  federation.AddPerson("auditor", kRepository, "auditor", "Audit Office");
  federation.AddPerson("viewer", kRepository, "viewer", "University");
  CHECK(federation.Json("auditor", {"log", kRepository}).at("commits").size() == 2);
  CHECK(federation.Do("auditor", {"audit", kRepository}).find("StartRound") != std::string::npos);
  const std::string file = (federation.directory() / "stolen.safetensors").string();
  const Finished pull = federation.Try("auditor", {"pull", kRepository, "-o", file});
  CHECK(pull.status != 0);
  CHECK_FALSE(std::filesystem::exists(file));
  federation.Do("viewer", {"pull", kRepository, "-o", file});
  CHECK(federation.Try("viewer", {"audit", kRepository}).status != 0);
  // An outsider can't tell that the repository exists.
  const std::string link = federation.Json("admin", {"org", "invite", "st-luke"}).at("link");
  federation.Do("stranger", {"join", "-"}, link);
  const Finished real = federation.Try("stranger", {"log", kRepository});
  const Finished unreal = federation.Try("stranger", {"log", "st-mary/nothing"});
  CHECK(real.status != 0);
  CHECK(real.status == unreal.status);
}

TEST_CASE("Coordinator and agents killed within a round: nothing is lost", "[e2e]") {
  Hospitals hospitals;
  Federation& federation = hospitals.federation;
  federation.Do("owner", {"stats", "run", kRepository});
  federation.Do("owner", {"round", "start", kRepository, "--count", "3"});
  federation.KillCoordinator();
  hospitals.agents[1]->Kill();
  federation.StartCoordinator();
  hospitals.agents[1]->Start();
  federation.Do("owner", {"round", "watch", kRepository, "--json"});
  const json log = federation.Json("owner", {"log", kRepository});
  REQUIRE(log.at("commits").size() == 4);
  for (size_t i = 0; i < 3; ++i) CHECK(log.at("commits")[i].at("contributions") == 3);
  CHECK(federation.StopCoordinator() == 0);
}

}  // namespace federity::e2e
