#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/integration/rounds/round_fixture.h"

namespace federity::testing {
namespace {

// Weights of the head, without their header.
std::string HeadData(RoundFixture& fixture) {
  return fixture.Load(fixture.Head().weights_digest)
      .substr(tensor::EncodeHeader(ModelSpec()).size());
}

TEST_CASE("Three agents train a round and the merge is committed", "[rounds]") {
  RoundFixture fixture;
  fixture.Start();
  REQUIRE(fixture.Round().state == v1::Round::TRAINING);
  // The database keeps microseconds.
  CHECK(fixture.now() + absl::Minutes(10) - *fixture.Round().deadline < absl::Microseconds(1));

  // Weights 10, 10 and 20: Σ w·q / Σ w.
  auto& agents = fixture.agents();
  const std::vector<std::vector<int32_t>> updates = {
      {kOne, 0, -kOne}, {kOne, 4, kOne / 2}, {0, 8, kOne / 4}};
  const std::vector<int64_t> examples = {10, 10, 20};
  for (size_t i = 0; i < 3; ++i) {
    const auto request = fixture.Submission(
        agents[i],
        DeltaBytes(updates[i], static_cast<int32_t>(i) << 16, 40 + static_cast<int64_t>(i)),
        examples[i]);
    const auto row = Require(fixture.Submit(agents[i], request));
    CHECK(row.state == v1::Contribution::VERIFYING);
  }
  fixture.Step();

  const rounds::RoundRow round = fixture.Round();
  REQUIRE(round.state == v1::Round::COMMITTED);
  const repositories::CommitRow head = fixture.Head();
  CHECK(round.commit == head.digest);
  CHECK(head.parent == fixture.base());
  CHECK(head.version == 2);
  CHECK(head.round == 1);
  CHECK(head.contribution_count == 3);
  CHECK(head.examples == 40);
  // w: (10+10)/40 = 0.5, (40+160)/40 = 5 units, (-10+5+5)/40 = 0. mean: 50/40.
  CHECK(HeadData(fixture) ==
        BytesOf<float>({1.5f, static_cast<float>(2.0 + 5.0 / kOne), 3.0f, 0.5f + 1.25f}) +
            BytesOf<int64_t>({42}));
  for (const Agent& agent : agents) {
    CHECK(fixture.Contribution(agent).state == v1::Contribution::ACCEPTED);
  }
  // The metrics of the base, measured by three, are its evaluations.
  CHECK(fixture
            .Sql("SELECT sum(examples), sum(loss_sum) FROM evaluations WHERE commit = $1",
                 store::Params().Text(fixture.base()))[0]
            .Int(0) == 30);
  // Every transition left its row.
  const auto audit =
      fixture.Sql("SELECT details->>'to' FROM audit_events WHERE action = 'MoveRound' ORDER BY id");
  REQUIRE(audit.size() == 3);
  CHECK(audit[0].Text(0) == "TRAINING");
  CHECK(audit[1].Text(0) == "MERGING");
  CHECK(audit[2].Text(0) == "COMMITTED");
  CHECK(fixture.Sql("SELECT 1 FROM series WHERE ended_at IS NOT NULL").size() == 1);
}

TEST_CASE("A contributor's weight is capped", "[rounds]") {
  RoundFixture fixture;  // max_examples = 1000
  fixture.Start();
  fixture.Contribute(fixture.agents()[0], {kOne, 0, 0}, 1'000'000);
  fixture.Contribute(fixture.agents()[1], {0, 0, 0}, 1000);
  fixture.Contribute(fixture.agents()[2], {0, 0, 0}, 2000);
  fixture.Step();
  REQUIRE(fixture.Round().state == v1::Round::COMMITTED);
  float w = 0;
  std::memcpy(&w, HeadData(fixture).data(), sizeof w);
  CHECK(w == static_cast<float>(1.0 + 5592405.0 / kOne));  // 2^24 / 3, rounded
}

TEST_CASE("The same cohort in any order gives the same commit", "[rounds]") {
  const std::vector<std::vector<int32_t>> updates = {{5, 7, -3}, {kOne, 11, 1}, {-9, 2, kOne}};
  std::vector<std::string> commits;
  for (const std::vector<size_t>& order :
       std::vector<std::vector<size_t>>{{0, 1, 2}, {2, 0, 1}, {1, 2, 0}}) {
    RoundFixture fixture;
    fixture.Start();
    for (const size_t i : order) {
      fixture.Contribute(fixture.agents()[i], updates[i], static_cast<int64_t>(i) * 7 + 3);
      if (i == 0) fixture.Step();  // some are verified before others come
    }
    fixture.Step();
    commits.push_back(fixture.Head().digest);
  }
  CHECK(commits[1] == commits[0]);
  CHECK(commits[2] == commits[0]);
}

TEST_CASE("A series goes on from each commit and ends with its last round", "[rounds]") {
  RoundFixture fixture;
  fixture.Start(3);
  for (int64_t number = 1; number <= 3; ++number) {
    REQUIRE(fixture.Round(number).state == v1::Round::TRAINING);
    CHECK(fixture.Round(number).series_index == number);
    CHECK(fixture.Round(number).series_count == 3);
    CHECK(fixture.Round(number).base_commit == fixture.Head().digest);
    fixture.ContributeAll(number);
    fixture.Step();
    REQUIRE(fixture.Round(number).state == v1::Round::COMMITTED);
    CHECK(fixture.Round(number).series_ended == (number == 3));
  }
  CHECK(fixture.Sql("SELECT 1 FROM rounds").size() == 3);
  float w = 0;
  std::memcpy(&w, HeadData(fixture).data(), sizeof w);
  CHECK(w == 4.0f);
  // Without a seed in the plan every round has its own.
  CHECK(fixture.Round(1).seed != fixture.Round(2).seed);
}

TEST_CASE("A plan's seed is every round's", "[rounds]") {
  Plan plan = RoundFixture::DefaultPlan();
  plan.training.seed = 0x7fffffffffffffff;
  RoundFixture fixture(plan);
  fixture.Start();
  CHECK(fixture.Round().seed == 0x7fffffffffffffff);
}

TEST_CASE("The target closes a round before everybody has answered", "[rounds]") {
  Plan plan = RoundFixture::DefaultPlan();
  plan.round.target_contributions = 3;
  RoundFixture fixture(plan, 4);
  fixture.Start();
  for (size_t i = 0; i < 3; ++i) fixture.Contribute(fixture.agents()[i], {1, 2, 3});
  fixture.Step();
  CHECK(fixture.Round().state == v1::Round::COMMITTED);
  const auto late = fixture.Contribution(fixture.agents()[3]);
  CHECK(late.state == v1::Contribution::ABANDONED);
  CHECK(late.refusal_reason == "CONTRIBUTION_LATE");
}

}  // namespace
}  // namespace federity::testing
