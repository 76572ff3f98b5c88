// What removal does to rounds, on rows as V0003 has them.

#include <catch2/catch.hpp>
#include <chrono>
#include <semaphore>

#include "tests/integration/membership/membership_client.h"

namespace federity::testing {
namespace {

enum RoundState { kRecruiting = 1, kTraining, kMerging, kCommitted, kFailed };
enum ContributionState { kAssigned = 1, kUploading, kVerifying, kAccepted, kRefused, kAbandoned };

struct Fixture {
  Fixture() {
    repository = api.MakeRepository("st-mary", "heart");
    owner.emplace(api.MakeOwner("st-mary"));
    agent.emplace(api.MakeMember("st-mary", "heart", v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT));
    api.Sql(
        "INSERT INTO blobs (repository, digest, size_bytes, created_at) "
        "VALUES ($1, 'sha256:b', 1, now())",
        store::Params().Text(repository));
    api.Sql(
        "INSERT INTO commits (repository, digest, version, program_digest, program_bytes, "
        "weights_digest, weights_bytes, parameter_count, plan_digest, created_at) "
        "VALUES ($1, 'sha256:c', 1, 'sha256:b', 1, 'sha256:b', 1, 1, 'sha256:p', now())",
        store::Params().Text(repository));
    api.Sql(
        "INSERT INTO series (id, repository, count, creator, created_at) "
        "VALUES (gen_random_uuid(), $1, 1, $2, now())",
        store::Params().Text(repository).Text(owner->id));
  }

  void Round(int number, RoundState state) {
    api.Sql(
        "INSERT INTO rounds (repository, number, series, series_index, state, base_commit, "
        "plan_digest, seed, min_contributions, training_seconds, max_examples, created_at, "
        "recruit_deadline, lease_until, lease_token) "
        "SELECT $1, $2, id, 1, $3, 'sha256:c', 'sha256:p', 1, 3, 600, 1000, now(), now(), "
        "now() + interval '1 minute', 7 FROM series",
        store::Params().Text(repository).Int(number).Int(state));
  }
  void Contribution(int round, ContributionState state) {
    api.Sql(
        "INSERT INTO contributions (id, repository, round, member, state, created_at, "
        "progress_at, updated_at) VALUES (gen_random_uuid(), $1, $2, $3, $4, now(), now(), "
        "now())",
        store::Params().Text(repository).Int(round).Text(agent->id).Int(state));
  }
  int64_t StateOf(int round) {
    return api
        .Sql("SELECT state FROM contributions WHERE round = $1", store::Params().Int(round))[0]
        .Int(0);
  }
  store::Row RoundRow(int round) {
    return api.Sql(
        "SELECT state, lease_token, lease_until IS NULL, due_at IS NOT NULL "
        "FROM rounds WHERE number = $1",
        store::Params().Int(round))[0];
  }

  ApiFixture api;
  std::string repository;
  std::optional<ApiFixture::Member> owner, agent;
};

TEST_CASE_METHOD(Fixture, "A removed member's contribution is left out of an open round",
                 "[membership]") {
  const auto round = GENERATE(kRecruiting, kTraining, kMerging);
  const auto state = GENERATE(kAssigned, kUploading, kVerifying, kAccepted);
  Round(1, round);
  Contribution(1, state);
  REQUIRE(Remove(owner->channel, agent->name).ok());
  CHECK(StateOf(1) == kRefused);
  CHECK(api.Sql("SELECT refusal_reason FROM contributions")[0].Text(0) == "CONTRIBUTION_WITHDRAWN");
  const store::Row row = RoundRow(1);
  CHECK(row.Int(0) == round);
  CHECK(row.Bool(3));  // due at once
  // A merge that has begun is fenced off.
  CHECK(row.Int(1) == (round == kMerging ? 8 : 7));
  CHECK(row.Bool(2) == (round == kMerging));
}

TEST_CASE_METHOD(Fixture, "Leaving wakes the round machine", "[membership]") {
  Round(1, kTraining);
  Contribution(1, kAssigned);
  std::counting_semaphore<> woken(0);
  const auto subscription = api.database().Subscribe("rounds", [&] { woken.release(); });
  // Once one came, the subscription stands.
  REQUIRE(api.database()
              .RunInTransaction([](store::Transaction& t) { return t.Notify("rounds"); })
              .ok());
  REQUIRE(woken.try_acquire_for(std::chrono::seconds(20)));
  while (woken.try_acquire()) {
  }
  REQUIRE(Remove(agent->channel, agent->name).ok());
  CHECK(woken.try_acquire_for(std::chrono::seconds(20)));
}

TEST_CASE_METHOD(Fixture, "What is merged stays attributed", "[membership]") {
  Round(1, kCommitted);
  Contribution(1, kAccepted);
  Round(2, kFailed);
  Contribution(2, kAccepted);
  Round(3, kTraining);
  Contribution(3, kRefused);
  REQUIRE(Remove(owner->channel, agent->name).ok());
  CHECK(StateOf(1) == kAccepted);
  CHECK(StateOf(2) == kAccepted);
  CHECK(StateOf(3) == kRefused);
  CHECK(api.Sql("SELECT refusal_reason FROM contributions WHERE round = 3")[0].Text(0).empty());
  CHECK(RoundRow(1).Int(1) == 7);
}

TEST_CASE_METHOD(Fixture, "Who leaves by itself may leave its contribution in", "[membership]") {
  const auto state = GENERATE(kAssigned, kUploading, kVerifying, kAccepted);
  Round(1, kMerging);
  Contribution(1, state);
  REQUIRE(Remove(agent->channel, agent->name, /*withdraw=*/false).ok());
  CHECK(StateOf(1) == (state <= kUploading ? kAbandoned : state));
  CHECK(RoundRow(1).Int(1) == (state <= kUploading ? 8 : 7));
}

TEST_CASE_METHOD(Fixture, "Leaving with withdraw takes the contribution out", "[membership]") {
  Round(1, kMerging);
  Contribution(1, kAccepted);
  REQUIRE(Remove(agent->channel, agent->name, /*withdraw=*/true).ok());
  CHECK(StateOf(1) == kRefused);
  CHECK(RoundRow(1).Int(1) == 8);
}

TEST_CASE_METHOD(Fixture, "A removed member's sums leave statistics that are collected",
                 "[membership]") {
  for (const int state : {1, 2}) {
    api.Sql(
        "INSERT INTO statistics_runs (repository, number, state, plan_digest, creator, "
        "created_at, deadline) VALUES ($1, $2, $3, 'sha256:p', $4, now(), now())",
        store::Params().Text(repository).Int(state).Int(state).Text(owner->id));
    api.Sql(
        "INSERT INTO statistics_answers (repository, run, member, answered_at, sums) "
        "VALUES ($1, $2, $3, now(), '[1]')",
        store::Params().Text(repository).Int(state).Text(agent->id));
  }
  REQUIRE(Remove(owner->channel, agent->name).ok());
  const store::Rows rows =
      api.Sql("SELECT sums IS NULL, abstained <> '' FROM statistics_answers ORDER BY run");
  CHECK(rows[0].Bool(0));
  CHECK(rows[0].Bool(1));
  CHECK_FALSE(rows[1].Bool(0));
  CHECK_FALSE(rows[1].Bool(1));
}

}  // namespace
}  // namespace federity::testing
