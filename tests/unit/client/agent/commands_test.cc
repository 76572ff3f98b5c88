#include "client/agent/commands.h"

#include <catch2/catch.hpp>

#include "client/agent/render.h"
#include "tests/unit/client/agent/world.h"

namespace federity::agent {
namespace {

using nlohmann::json;

std::string MessageOf(const absl::StatusOr<json>& result) {
  return std::string(result.status().message());
}

TEST_CASE("dataset add registers what meets the plan", "[agent]") {
  World world;
  const auto added = world.Command("dataset add", {{"repository", "st-mary/heart"},
                                                   {"path", world.data.string()},
                                                   {"label_column", "died"},
                                                   {"label", "ward 3"}});
  REQUIRE(added.ok());
  CHECK(added->at("rows") == 100);
  CHECK(added->at("schema") == json{"age", "outcome"});
  CHECK(added->at("digest") == crypto::Sha256(testing::ReadAll(world.data)).ToString());
  const auto request = world.trainer.requests().back().check_data();
  CHECK(request.plan_toml() == FormatPlan(world.plan));
  CHECK(request.dataset().label_column() == "died");
  CHECK(request.max_problems() == 20);

  CHECK(absl::IsAlreadyExists(
      world.Command("dataset add", {{"path", world.data.string()}, {"label", "b"}}).status()));
  CHECK(absl::IsAlreadyExists(
      world
          .Command("dataset add",
                   {{"path", world.dir.Write("b.csv", "age\n").string()}, {"label", "ward 3"}})
          .status()));
  const auto second =
      world.Command("dataset add", {{"path", world.dir.Write("b.csv", "age\n").string()}});
  CHECK(second->at("label") == "dataset-1");
  CHECK(world.Command("dataset list", json::object())->at("datasets").size() == 2);
  REQUIRE(world.Command("dataset remove", {{"label", "ward 3"}}).ok());
  CHECK(world.Command("dataset list", json::object())->at("datasets").size() == 1);
  CHECK(absl::IsNotFound(world.Command("dataset remove", {{"label", "ward 3"}}).status()));
  CHECK(std::filesystem::exists(world.data));
}

TEST_CASE("dataset add refuses, with row and column, what does not", "[agent]") {
  World world;
  SECTION("problems") {
    worker::v1::Problem& problem = *world.trainer.result().add_problems();
    problem.set_row(17);
    problem.set_column("age");
    problem.set_message("is no number");
    const auto added = world.Command("dataset add", {{"path", world.data.string()}});
    CHECK_THAT(MessageOf(added), Catch::Contains("row 17, 'age': is no number"));
  }
  SECTION("no rows") {
    world.trainer.result().set_rows(0);
    CHECK_FALSE(world.Command("dataset add", {{"path", world.data.string()}}).ok());
  }
  SECTION("a file that changes while it is checked") {
    world.trainer.During([&] { world.dir.Write("patients.csv", "age,outcome\n2,no\n"); });
    CHECK(absl::IsAborted(world.Command("dataset add", {{"path", world.data.string()}}).status()));
  }
  SECTION("paths and names") {
    CHECK_FALSE(world.Command("dataset add", {{"path", "patients.csv"}}).ok());
    CHECK(absl::IsNotFound(world.Command("dataset add", {{"path", "/missing.csv"}}).status()));
    CHECK_FALSE(
        world.Command("dataset add", {{"path", world.data.string()}, {"label", "a\x1b["}}).ok());
    CHECK_FALSE(world.Command("dataset add", {{"path", 7}}).ok());
  }
  CHECK(world.state->Get(kId).datasets.empty());
}

TEST_CASE("dataset check lists problems and classes", "[agent]") {
  World world;
  world.AddDataset();
  worker::v1::Problem& problem = *world.trainer.result().add_problems();
  problem.set_row(2);
  problem.set_column("age");
  problem.set_message("is no number");
  world.trainer.result().add_class_counts(40);
  world.trainer.result().add_class_counts(60);
  const auto checked = world.Command("dataset check");
  REQUIRE(checked.ok());
  CHECK(checked->at("checks")[0]["problems"][0]["row"] == 2);
  const std::string text = Render("dataset check", *checked);
  CHECK_THAT(text, Catch::Contains("row 2, 'age': is no number"));
  CHECK_THAT(text, Catch::Contains("class yes: 60 rows"));
}

TEST_CASE("approve approves exactly what was shown", "[agent]") {
  World world;
  const json repository = {{"repository", "st-mary/heart"}};
  json show = repository;
  show["show"] = true;
  const auto offer = world.Command("approve", show);
  REQUIRE(offer.ok());
  CHECK_FALSE(world.state->Get(kId).approval);
  CHECK(offer->at("plan") == FormatPlan(world.plan));
  CHECK(offer->at("approval_digest") ==
        crypto::Sha256("federity/approval/v1" + std::string(PlanDigest(world.plan).view()) +
                       std::string(crypto::Sha256(world.program).view()))
            .ToString());
  const std::string text = Render("approve", *offer);
  CHECK_THAT(text, Catch::Contains("What leaves this machine"));
  CHECK_THAT(text, Catch::Contains(world.ProgramDigest()));

  CHECK_FALSE(world.Command("approve", repository).ok());  // no digest, no approval
  json wrong = repository;
  wrong["digest"] = crypto::Sha256("x").ToString();
  CHECK(absl::IsFailedPrecondition(world.Command("approve", wrong).status()));
  json right = repository;
  right["digest"] = offer->at("approval_digest");
  world.coordinator.Locked([](auto& script, auto&) {
    script.program_digest = crypto::Sha256("changed meanwhile").ToString();
  });
  CHECK(absl::IsFailedPrecondition(world.Command("approve", right).status()));
  CHECK_FALSE(world.state->Get(kId).approval);
  world.coordinator.Locked(
      [&](auto& script, auto&) { script.program_digest = world.ProgramDigest(); });
  right["rounds"] = 5;
  right["expires"] = "90d";
  right["hours"] = "20:00-06:00";
  right["cpus"] = 2;
  right["memory"] = "4GiB";
  REQUIRE(world.Command("approve", right).ok());
  const auto approval = *world.state->Get(kId).approval;
  CHECK(approval.limits == state::Limits{.rounds = 5,
                                         .expires = world.clock.Now() + absl::Hours(90 * 24),
                                         .hours = state::Hours{20 * 60, 6 * 60},
                                         .cpus = 2,
                                         .memory_bytes = int64_t{4} << 30});
  REQUIRE(world.Command("revoke").ok());
  CHECK_FALSE(world.state->Get(kId).approval);
  CHECK_FALSE(world.Command("revoke").ok());
}

TEST_CASE("approve refuses limits that make no sense and empty repositories", "[agent]") {
  World world;
  const auto limits =
      GENERATE(json{{"rounds", -1}}, json{{"expires", "soon"}}, json{{"expires", "0s"}},
               json{{"hours", "20-06"}}, json{{"cpus", 5000}}, json{{"memory", "lots"}},
               json{{"rounds", "many"}});
  json arguments = limits;
  arguments["repository"] = "st-mary/heart";
  arguments["show"] = true;
  CHECK_FALSE(world.Command("approve", arguments).ok());
  world.coordinator.Locked([](auto& script, auto&) { script.program_digest.clear(); });
  CHECK_THAT(MessageOf(world.Command("approve", {{"show", true}})),
             Catch::Contains("has no commit yet"));
}

TEST_CASE("leave tells the coordinator, then forgets everything", "[agent]") {
  World world;
  world.Prepare();
  SECTION("the coordinator can't be reached: nothing is forgotten") {
    world.coordinator.Locked([](auto& script, auto&) {
      script.remove_member = Error(v1::ERROR_REASON_LAST_OWNER, "the last owner stays");
    });
    CHECK_THAT(MessageOf(world.Command("leave")), Catch::Contains("nothing was left"));
    CHECK(world.identities.List()->size() == 1);
    return;
  }
  SECTION("agreed") {}
  SECTION("removed before: that is what leaving wants") {
    world.coordinator.Locked([](auto& script, auto&) {
      script.remove_member = Error(v1::ERROR_REASON_MEMBER_REMOVED, "removed");
    });
  }
  REQUIRE(world.Command("leave", {{"repository", "st-mary/heart"}, {"withdraw", true}}).ok());
  world.coordinator.Locked([](auto&, auto& seen) {
    REQUIRE(seen.removals.size() == 1);
    CHECK(seen.removals[0].withdraw());
  });
  CHECK(world.identities.List()->empty());
  CHECK(world.state->Memberships().empty());
  CHECK(absl::IsNotFound(world.Command("pause").status()));
}

TEST_CASE("status without a daemon shows files, with one what goes on", "[agent]") {
  World world;
  world.AddDataset();
  auto status = *world.Command("status");
  CHECK(status["running"] == false);
  json membership = status["memberships"][0];
  CHECK(membership["connection"] == "not running");
  CHECK(membership["approval"] == "none");
  CHECK(membership["not_ready"] == "waiting for approval");
  CHECK(membership["datasets"][0]["state"] == "unchanged");
  CHECK_THAT(Render("status", status), Catch::Contains("not running"));

  world.Approve({{"rounds", 3}});
  world.coordinator.Send(world.Training());
  world.Start();
  REQUIRE(world.AwaitEvent("accepted"));
  status = *world.Command("status");
  membership = status["memberships"][0];
  CHECK(status["running"] == true);
  CHECK(membership["connected"] == true);
  CHECK(membership["approval"] == "current");
  CHECK(membership["rounds_used"] == 1);
  CHECK_THAT(Render("status", status), Catch::Contains("1 of 3 rounds used"));

  Plan other = world.plan;
  other.training.epochs = 9;
  world.Stop();
  world.plan = other;
  world.SetPlan();
  world.Start();
  REQUIRE(world.AwaitEvent("approval outdated"));
  CHECK((*world.Command("status"))["memberships"][0]["approval"] == "outdated");
}

TEST_CASE("Commands refuse what they do not know", "[agent]") {
  World world;
  CHECK(absl::IsUnimplemented(world.Command("format disk").status()));
  CHECK_FALSE(world.Command("status", json::array()).ok());
  CHECK_FALSE(world.Command("pause", {{"repository", "Not A Name"}}).ok());
  CHECK_FALSE(world.Command("pause", {{"repository", 5}}).ok());
  CHECK_FALSE(world.Command("log", {{"count", 0}}).ok());
  CHECK_FALSE(world.Command("join", {{"link", "federity://nonsense"}}).ok());
  CHECK(IsReadOnly("status", json::object()));
  CHECK(IsReadOnly("approve", {{"show", true}}));
  CHECK_FALSE(IsReadOnly("approve", json::object()));
  CHECK_FALSE(IsReadOnly("leave", json::object()));
}

TEST_CASE("log shows what happened", "[agent]") {
  World world;
  world.Prepare();
  const auto log = world.Command("log", {{"count", 1}});
  REQUIRE(log->at("entries").size() == 1);
  CHECK_THAT(Render("log", *log), Catch::Contains("approved  st-mary/heart  sha256:"));
}

TEST_CASE("Render lets nothing steer the terminal", "[agent]") {
  const json log = {
      {"entries", {{{"time", "t"}, {"event", "refused"}, {"text", "\x1b[2Jx\r\x07"}}}}};
  CHECK(Render("log", log) == "t  refused  \uFFFD[2Jx\uFFFD\uFFFD\n");
  for (const char* command : {"status", "approve", "dataset list", "dataset check", "join", "log"})
    CHECK_NOTHROW(Render(command, json{{"memberships", 5}, {"work", "x"}, {"checks", {1, 2}}}));
}

}  // namespace
}  // namespace federity::agent
