#include <catch2/catch.hpp>

#include "common/plan/standardisation.h"
#include "tests/unit/client/agent/world.h"

namespace federity::agent {
namespace {

// A world whose plan wants federated statistics.
struct StatisticsWorld : World {
  StatisticsWorld() {
    plan.data.standardise = Plan::Standardise::kFederated;
    SetPlan();
    trainer.result().add_sums("1000");
    trainer.result().add_sums_of_squares("2000");
    trainer.result().add_counts(100);
    Prepare();
  }
  v1::WatchAssignmentsResponse Statistics() const {
    v1::WatchAssignmentsResponse event;
    event.mutable_statistics()->set_run(std::string(kRepository) + "/statistics/1");
    event.mutable_statistics()->set_plan_toml(FormatPlan(plan));
    return event;
  }
  v1::SubmitStatisticsRequest Answer(const v1::WatchAssignmentsResponse& event) {
    coordinator.Send(event);
    Start();
    REQUIRE(coordinator.Await([](const auto& seen) { return !seen.statistics.empty(); }));
    return coordinator.Locked([](auto&, auto& seen) { return seen.statistics[0]; });
  }
  v1::Standardisation Frozen() const {
    StandardisationValues values{.mean = {50}, .sd = {10}, .examples = 300, .contributors = 3};
    v1::Standardisation frozen;
    frozen.add_mean(50);
    frozen.add_sd(10);
    frozen.set_examples(300);
    frozen.set_contributors(3);
    const crypto::Digest digest = StandardisationDigest(values);
    frozen.set_digest(digest.ToString());
    frozen.set_signature(identities.coordinator_key.Sign(kStandardisationLabel, digest.view()));
    return frozen;
  }
};

TEST_CASE("Statistics: sums are sent when the approved plan wants them", "[agent]") {
  StatisticsWorld world;
  const auto answer = world.Answer(world.Statistics());
  REQUIRE(answer.features_size() == 1);
  CHECK(answer.features(0).sum() == "1000");
  CHECK(answer.features(0).sum_of_squares() == "2000");
  CHECK(answer.features(0).count() == 100);
  CHECK(answer.abstain_reason().empty());
}

TEST_CASE("Statistics: a data set that is too small abstains, whatever is asked", "[agent]") {
  StatisticsWorld world;
  world.trainer.result().set_counts(0, 19);
  auto event = world.Statistics();
  event.mutable_statistics()->set_min_rows(1);
  const auto answer = world.Answer(event);
  CHECK(answer.features().empty());
  CHECK_THAT(answer.abstain_reason(), Catch::Contains("fewer than 20 rows"));
}

TEST_CASE("Statistics: no sums for a plan that is not approved", "[agent]") {
  StatisticsWorld world;
  const size_t before = world.trainer.requests().size();
  Plan other = world.plan;
  other.data.features = {"age", "weight"};
  auto event = world.Statistics();
  event.mutable_statistics()->set_plan_toml(FormatPlan(other));
  const auto answer = world.Answer(event);
  CHECK(answer.features().empty());
  CHECK_FALSE(answer.abstain_reason().empty());
  CHECK(world.trainer.requests().size() == before);
}

TEST_CASE("Training uses a standardisation with its digest, signed by the coordinator", "[agent]") {
  StatisticsWorld world;
  auto event = world.Training();
  *event.mutable_training()->mutable_standardisation() = world.Frozen();
  SECTION("as it is") {
    world.coordinator.Send(event);
    world.Start();
    REQUIRE(world.AwaitEvent("accepted"));
    CHECK(world.trainer.requests().back().train().standardisation().mean(0) == 50);
    return;
  }
  SECTION("missing") { event.mutable_training()->clear_standardisation(); }
  SECTION("another mean") { event.mutable_training()->mutable_standardisation()->set_mean(0, 51); }
  SECTION("not signed") { event.mutable_training()->mutable_standardisation()->clear_signature(); }
  SECTION("signed by another key") {
    auto& frozen = *event.mutable_training()->mutable_standardisation();
    frozen.set_signature(crypto::SigningKey::Generate().Sign(
        kStandardisationLabel, crypto::ParseDigest(frozen.digest())->view()));
  }
  SECTION("signed as something else") {
    auto& frozen = *event.mutable_training()->mutable_standardisation();
    frozen.set_signature(world.identities.coordinator_key.Sign(
        "federity/commit/v1", crypto::ParseDigest(frozen.digest())->view()));
  }
  SECTION("a value too many") { event.mutable_training()->mutable_standardisation()->add_sd(1); }
  world.coordinator.Send(event);
  world.Start();
  REQUIRE(world.coordinator.Await([](const auto& seen) { return !seen.abandoned.empty(); }));
  world.coordinator.Locked([](auto&, auto& seen) {
    CHECK_THAT(seen.abandoned[0].reason(), Catch::Contains("standardisation"));
  });
}

TEST_CASE("Evaluation: the hold-out is measured if plan and program are approved", "[agent]") {
  World world;
  world.Prepare();
  world.trainer.result().mutable_metrics()->set_examples(20);
  v1::WatchAssignmentsResponse event;
  *event.mutable_evaluation()->mutable_commit() = world.Commit();
  event.mutable_evaluation()->set_plan_toml(FormatPlan(world.plan));
  SECTION("approved") {
    world.coordinator.Send(event);
    world.Start();
    REQUIRE(world.AwaitEvent("evaluated", "20 hold-out rows"));
    CHECK(world.trainer.requests().back().evaluate().holdout_only());
    world.coordinator.Locked([](auto&, auto& seen) {
      REQUIRE(seen.evaluations.size() == 1);
      CHECK(seen.evaluations[0].commit() == kCommit);
      CHECK(seen.evaluations[0].metrics().examples() == 20);
    });
  }
  SECTION("another program") {
    event.mutable_evaluation()->mutable_commit()->set_program_digest(
        crypto::Sha256("evil").ToString());
    world.coordinator.Send(event);
    world.Start();
    REQUIRE(world.AwaitEvent("failed", "evaluation"));
    world.coordinator.Locked([](auto&, auto& seen) { CHECK(seen.evaluations.empty()); });
  }
}

}  // namespace
}  // namespace federity::agent
