// Time, silence, removal, cancellation, restarts, replicas.
#include <catch2/catch.hpp>
#include <thread>

#include "server/membership/withdrawal.h"
#include "server/rounds/assignments.h"
#include "server/rounds/round_worker.h"
#include "server/rounds/evaluations.h"
#include "tests/integration/rounds/round_fixture.h"

namespace federity::testing {
namespace {

TEST_CASE("A silent agent is given up, one that reports is not", "[rounds]") {
  RoundFixture fixture(RoundFixture::DefaultPlan(), 5);
  auto& agents = fixture.agents();
  fixture.Start();
  for (size_t i = 0; i < 3; ++i) fixture.Contribute(agents[i], {1, 2, 3});
  fixture.clock().Advance(absl::Seconds(59));
  CHECK(fixture.Report(agents[3], v1::CONTRIBUTION_PHASE_TRAINING, 0.4).wanted());
  fixture.clock().Advance(absl::Seconds(1));
  fixture.Step();
  CHECK(fixture.Contribution(agents[4]).state == v1::Contribution::ABANDONED);
  CHECK(fixture.Contribution(agents[4]).refusal_reason == "CONTRIBUTOR_SILENT");
  CHECK(fixture.Contribution(agents[3]).state == v1::Contribution::ASSIGNED);
  CHECK(fixture.Round().state == v1::Round::TRAINING);
  const auto told = fixture.Report(agents[4], v1::CONTRIBUTION_PHASE_TRAINING, 0.9);
  CHECK_FALSE(told.wanted());
  CHECK(told.reason() == "no progress for 1m");
  fixture.Contribute(agents[3], {1, 2, 3});
  fixture.Step();
  CHECK(fixture.Round().state == v1::Round::COMMITTED);
  CHECK(fixture.Head().contribution_count == 4);
}

TEST_CASE("Progress shows what an agent does", "[rounds]") {
  RoundFixture fixture;
  auto& agents = fixture.agents();
  fixture.Start();
  fixture.Report(agents[0], v1::CONTRIBUTION_PHASE_TRAINING, 0.4);
  fixture.Report(agents[1], v1::CONTRIBUTION_PHASE_UPLOADING, std::nan(""));
  fixture.Disconnect(agents[2]);
  CHECK(fixture.Contribution(agents[1]).state == v1::Contribution::UPLOADING);
  const v1::Round all = fixture.View(1, {.member = "", .maintainer = true});
  REQUIRE(all.participants_size() == 3);
  CHECK(all.participants(0).status() == "training 40 %");
  CHECK(all.participants(0).fraction() == Approx(0.4));
  CHECK(all.participants(0).organization_display_name() == "The hospital-0");
  CHECK(all.participants(1).status() == "uploading 0 %");
  CHECK(all.participants(2).status().find("assigned, offline since ") == 0);
  CHECK(all.waiting_for().find("The hospital-0, The hospital-1, The hospital-2, until ") == 0);
  // A contributor sees its own line and counts.
  const v1::Round own = fixture.View(1, {.member = agents[1].id, .maintainer = false});
  REQUIRE(own.participants_size() == 1);
  CHECK(own.participants(0).status() == "uploading 0 %");
  CHECK(own.waiting_for().find("3 contributors, until ") == 0);
  CHECK(std::vector<int>(own.contribution_counts().begin(), own.contribution_counts().end()) ==
        std::vector<int>{2, 1, 0, 0, 0, 0});
  CHECK(ReasonOf(fixture.Try([&](store::Transaction& transaction) {
          return rounds::ReportProgress(transaction, fixture.Ref(agents[0]),
                                        v1::CONTRIBUTION_PHASE_UNSPECIFIED, 0, fixture.now())
              .status();
        })) == v1::ERROR_REASON_INVALID_ARGUMENT);
}

TEST_CASE("The deadline merges what there is", "[rounds]") {
  RoundFixture fixture(RoundFixture::DefaultPlan(), 4);
  auto& agents = fixture.agents();
  fixture.Start();
  for (size_t i = 0; i < 3; ++i) fixture.Contribute(agents[i], {1, 2, 3});
  for (int minute = 0; minute < 10; ++minute) {
    fixture.clock().Advance(absl::Minutes(1) - absl::Seconds(1));
    fixture.Report(agents[3], v1::CONTRIBUTION_PHASE_TRAINING, 0.05 * minute);
    fixture.Step();
  }
  CHECK(fixture.Round().state == v1::Round::TRAINING);
  fixture.clock().Advance(absl::Seconds(10));
  fixture.Step();
  CHECK(fixture.Round().state == v1::Round::COMMITTED);
  CHECK(fixture.Contribution(agents[3]).refusal_reason == "CONTRIBUTION_LATE");
}

TEST_CASE("A removed member's update stays out of an unmerged round", "[rounds]") {
  RoundFixture fixture(RoundFixture::DefaultPlan(), 4);
  auto& agents = fixture.agents();
  fixture.Start();
  const auto remove = [&](const Agent& agent, membership::Leaving leaving) {
    fixture.Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_RETURN_IF_ERROR(
          membership::WithdrawWork(transaction, agent.id, leaving, fixture.now()));
      return transaction
          .Execute("UPDATE members SET removed_at = $2 WHERE id = $1",
                   store::Params().Text(agent.id).Time(fixture.now()))
          .status();
    });
  };
  SECTION("accepted, then removed by others") {
    fixture.Contribute(agents[3], {kOne, kOne, kOne});
    fixture.Step();
    CHECK(fixture.Contribution(agents[3]).state == v1::Contribution::ACCEPTED);
    remove(agents[3], membership::Leaving::kRemoved);
    for (size_t i = 0; i < 3; ++i) fixture.Contribute(agents[i], {0, 0, 0});
    fixture.Step();
    CHECK(fixture.Round().state == v1::Round::COMMITTED);
    CHECK(fixture.Head().contribution_count == 3);
    CHECK(fixture.Contribution(agents[3]).refusal_reason == "CONTRIBUTION_WITHDRAWN");
  }
  SECTION("still at work") {
    remove(agents[3], membership::Leaving::kRemoved);
    for (size_t i = 0; i < 3; ++i) fixture.Contribute(agents[i], {0, 0, 0});
    fixture.Step();
    CHECK(fixture.Round().state == v1::Round::COMMITTED);
  }
  SECTION("merging: the round goes on without it, or fails when too few are left") {
    for (const Agent& agent : agents) fixture.Contribute(agent, {kOne, 0, 0});
    while (Require(fixture.machine().VerifyOne())) {
    }
    while (Require(fixture.machine().Step())) {
    }
    REQUIRE(fixture.Round().state == v1::Round::MERGING);
    remove(agents[3], membership::Leaving::kRemoved);
    SECTION("enough are left") {
      fixture.Step();
      CHECK(fixture.Round().state == v1::Round::COMMITTED);
      CHECK(fixture.Head().contribution_count == 3);
    }
    SECTION("too few are left") {
      remove(agents[2], membership::Leaving::kRemoved);
      fixture.Step();
      CHECK(fixture.Round().state == v1::Round::FAILED);
      CHECK(fixture.Round().failure_reason == "TOO_FEW_CONTRIBUTIONS");
      CHECK(fixture.Head().digest == fixture.base());
    }
  }
}

TEST_CASE("Cancelling ends a round in every state, and its series", "[rounds]") {
  RoundFixture fixture;
  auto& agents = fixture.agents();
  const auto cancel = [&] {
    return fixture.Try([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(auto round, rounds::FindRound(transaction, fixture.repository(), 1,
                                                              rounds::Lock::kUpdate));
      return rounds::MoveRound(transaction, *round, rounds::RoundEvent::kCancelled,
                               {.words = "cancelled: wrong plan"}, fixture.now());
    });
  };
  SECTION("recruiting") {
    fixture.Disconnect(agents[0]);
    fixture.Start(3);
  }
  SECTION("training") {
    fixture.Start(3);
    fixture.Contribute(agents[0], {1, 2, 3});
  }
  SECTION("merging") {
    fixture.Start(3);
    fixture.ContributeAll();
    while (Require(fixture.machine().VerifyOne())) {
    }
    while (Require(fixture.machine().Step())) {
    }
    REQUIRE(fixture.Round().state == v1::Round::MERGING);
  }
  REQUIRE(cancel().ok());
  fixture.Step();
  CHECK(fixture.Round().state == v1::Round::CANCELLED);
  CHECK(fixture.Round().failure == "cancelled: wrong plan");
  CHECK(fixture.Round().series_ended);
  CHECK(fixture.Head().digest == fixture.base());
  CHECK(fixture.Sql("SELECT 1 FROM contributions WHERE state IN (1, 2, 3)").empty());
  CHECK(ReasonOf(cancel()) == v1::ERROR_REASON_ROUND_STATE);
  CHECK(fixture.TryStart().ok());
}

TEST_CASE("A later round of a series that can't start fails and says why", "[rounds]") {
  RoundFixture fixture;
  fixture.Start(3);
  fixture.ContributeAll();
  while (Require(fixture.machine().VerifyOne())) {
  }
  while (Require(fixture.machine().Step())) {
  }
  // Merged contributions stay, but there is nobody for the next round.
  fixture.Sql("UPDATE members SET removed_at = $1 WHERE kind = 2",
              store::Params().Time(fixture.now()));
  fixture.Step();
  CHECK(fixture.Round(1).state == v1::Round::COMMITTED);
  CHECK(fixture.Round(2).state == v1::Round::FAILED);
  CHECK(fixture.Round(2).failure_reason == "TOO_FEW_MEMBERS");
  CHECK(fixture.Round(2).failure.find("hospital") == std::string::npos);
  CHECK(fixture.Round(2).series_ended);
}

TEST_CASE("A machine that is made anew goes on in every state", "[rounds]") {
  RoundFixture fixture;
  auto& agents = fixture.agents();
  fixture.Disconnect(agents[0]);
  fixture.Start();
  REQUIRE(fixture.Round().state == v1::Round::RECRUITING);
  fixture.NewMachine();
  fixture.Connect(agents[0]);
  REQUIRE(Require(fixture.machine().Step()));
  REQUIRE(fixture.Round().state == v1::Round::TRAINING);

  // Down for longer than the silence timeout: nobody is blamed for it.
  fixture.clock().Advance(absl::Minutes(3));
  fixture.NewMachine();
  fixture.Step();
  CHECK(fixture.Round().state == v1::Round::TRAINING);
  CHECK(fixture.Sql("SELECT 1 FROM contributions WHERE state = 1").size() == 3);

  fixture.ContributeAll();
  fixture.NewMachine();
  REQUIRE(Require(fixture.machine().VerifyOne()));
  fixture.NewMachine();
  while (Require(fixture.machine().VerifyOne())) {
  }
  while (Require(fixture.machine().Step())) {
  }
  REQUIRE(fixture.Round().state == v1::Round::MERGING);
  fixture.NewMachine();
  fixture.Step();
  CHECK(fixture.Round().state == v1::Round::COMMITTED);
}

TEST_CASE("Work of a replica that died is done again after its lease", "[rounds]") {
  RoundFixture fixture;
  fixture.Start();
  fixture.ContributeAll();
  // As left by a crash within verification and within a merge. The database's clock
  // tells a lease's end; the replicas' need not agree.
  CHECK(Require(fixture.machine().NextVerification()) == absl::InfiniteFuture());
  fixture.Sql("UPDATE contributions SET lease_until = now() + interval '1 hour', lease_token = 7");
  fixture.clock().Advance(absl::Minutes(10));
  CHECK_FALSE(Require(fixture.machine().VerifyOne()));
  const absl::Time end = Require(fixture.machine().NextVerification());
  CHECK(end > fixture.now() + absl::Minutes(50));
  CHECK(end <= fixture.now() + absl::Hours(1));
  fixture.Sql("UPDATE contributions SET lease_until = now()");
  while (Require(fixture.machine().VerifyOne())) {
  }
  while (Require(fixture.machine().Step())) {
  }
  REQUIRE(fixture.Round().state == v1::Round::MERGING);
  fixture.Sql("UPDATE rounds SET lease_until = now() + interval '1 hour', lease_token = 3, "
              "lease_owner = $1",
              store::Params().Text(crypto::RandomUuid()));
  CHECK_FALSE(Require(fixture.machine().MergeOne()));
  CHECK(Require(fixture.machine().NextMerge()) > fixture.now() + absl::Minutes(50));
  fixture.Sql("UPDATE rounds SET lease_until = now()");
  CHECK(Require(fixture.machine().MergeOne()));
  CHECK(fixture.Round().state == v1::Round::COMMITTED);
}

TEST_CASE("Long work ends when the machine stops, and is taken up after a restart", "[rounds]") {
  RoundFixture fixture;
  fixture.Start();
  fixture.ContributeAll();
  fixture.NewMachine({.stopping = [] { return true; }});
  CHECK_FALSE(Require(fixture.machine().VerifyOne()));
  CHECK(fixture.Sql("SELECT 1 FROM contributions WHERE lease_until > now()").empty());
  fixture.NewMachine();
  while (Require(fixture.machine().VerifyOne())) {
  }
  while (Require(fixture.machine().Step())) {
  }
  fixture.NewMachine({.stopping = [] { return true; }});
  CHECK_FALSE(Require(fixture.machine().MergeOne()));
  CHECK(fixture.Round().state == v1::Round::MERGING);
  CHECK(fixture.Sql("SELECT 1 FROM rounds WHERE lease_until > now()").empty());
  // No lease is waited for.
  fixture.NewMachine();
  fixture.Step();
  CHECK(fixture.Round().state == v1::Round::COMMITTED);
}

TEST_CASE("A worker that is stopped stops its long work", "[rounds]") {
  RoundFixture fixture;
  rounds::RoundWorker worker(fixture.Dependencies());
  worker.Start();
  CHECK_FALSE(worker.machine().options().is_stopping());
  worker.Stop();
  CHECK(worker.machine().options().is_stopping());
}

TEST_CASE("Who has no hold-out is asked once and counts for nobody", "[rounds]") {
  RoundFixture fixture(RoundFixture::DefaultPlan(), 4);
  fixture.Start();
  fixture.ContributeAll();
  fixture.Step();
  const auto asked = [&] {
    size_t members = 0;
    fixture.Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(const rounds::RepositoryWork work,
                                rounds::ReadWork(transaction, fixture.repository()));
      members = work.evaluation.has_value() ? work.evaluation->members.size() : 0;
      return absl::OkStatus();
    });
    return members;
  };
  const auto measure = [&](size_t i, int64_t examples) {
    v1::Metrics metrics;
    metrics.set_examples(examples);
    if (examples > 0) {
      for (const int64_t count : {examples, int64_t{0}, int64_t{0}, int64_t{0}}) {
        metrics.add_confusion(count);
      }
    }
    fixture.Run([&](store::Transaction& transaction) {
      return rounds::SubmitEvaluation(transaction, fixture.repository(), fixture.Head().digest,
                                      fixture.agents()[i].id, metrics, fixture.now());
    });
  };
  REQUIRE(asked() == 4);
  measure(0, 0);
  CHECK(asked() == 3);
  measure(1, 10);
  measure(2, 10);
  CHECK_FALSE(fixture.Head().metrics.has_value());
  measure(3, 10);
  CHECK(asked() == 0);
  REQUIRE(fixture.Head().metrics.has_value());
  CHECK(fixture.Head().metrics->contributors == 3);
}

TEST_CASE("Measurements are shown as one sum, never as two that differ by a hospital", "[rounds]") {
  RoundFixture fixture(RoundFixture::DefaultPlan(), 4);
  fixture.Start();
  for (const Agent& agent : fixture.agents()) fixture.Contribute(agent, {1, 2, 3});
  fixture.Step();
  REQUIRE(fixture.Round().state == v1::Round::COMMITTED);
  const std::string head = fixture.Head().digest;
  const auto measure = [&](size_t i, int64_t examples) {
    v1::Metrics metrics;
    metrics.set_examples(examples);
    for (const int64_t count : {examples, int64_t{0}, int64_t{0}, int64_t{0}}) {
      metrics.add_confusion(count);
    }
    fixture.Run([&](store::Transaction& transaction) {
      return rounds::SubmitEvaluation(transaction, fixture.repository(), head,
                                      fixture.agents()[i].id, metrics, fixture.now());
    });
  };
  for (size_t i = 0; i < 3; ++i) measure(i, 10);
  // Somebody may still come.
  fixture.Step();
  CHECK_FALSE(fixture.Head().metrics.has_value());
  // It takes too long: three are enough.
  fixture.clock().Advance(rounds::kMeasuringTime);
  fixture.Step();
  REQUIRE(fixture.Head().metrics.has_value());
  CHECK(fixture.Head().metrics->examples == 30);
  // Who comes later, or again, adds nothing.
  measure(3, 7);
  measure(0, 9);
  fixture.Step();
  CHECK(fixture.Head().metrics->examples == 30);
  CHECK(fixture.Head().metrics->contributors == 3);
}

TEST_CASE("Workstations of one hospital are one voice in what is shown", "[rounds]") {
  RoundFixture fixture(RoundFixture::DefaultPlan(), 3);
  fixture.Sql("UPDATE members SET organization = 'hospital-0' WHERE organization LIKE 'hospital-%'");
  for (const Agent& agent : fixture.agents()) {
    fixture.Run([&](store::Transaction& transaction) {
      return rounds::KeepEvaluation(transaction,
                                    {.repository = fixture.repository(),
                                     .commit = fixture.base(),
                                     .member = agent.id,
                                     .examples = 10,
                                     .loss_sum = 1,
                                     .confusion = "{10,0,0,0}"},
                                    fixture.now());
    });
  }
  fixture.clock().Advance(absl::Hours(1));
  fixture.Step();
  CHECK_FALSE(fixture.Head().metrics.has_value());
}

TEST_CASE("A merge that can't succeed fails the round", "[rounds]") {
  RoundFixture fixture;
  SECTION("a delta was lost after it was accepted") {
    fixture.Start();
    fixture.ContributeAll();
    while (Require(fixture.machine().VerifyOne())) {
    }
    Require(fixture.blobs().DeleteBlob(fixture.repository(),
                                       crypto::Sha256(DeltaBytes({kOne, 0, 0}, 0, 5))));
    fixture.Step();
    CHECK(fixture.Round().state == v1::Round::FAILED);
    CHECK(fixture.Round().failure_reason == "BLOB_CORRUPT");
    CHECK(fixture.Round().failure == "the merge failed: an accepted update is gone from the disk");
  }
  SECTION("the base weights are not finite") {
    fixture.Push(ModelBytes({std::nanf(""), 0, 0}, 0, 0));
    const std::string base = fixture.Head().digest;
    fixture.Start();
    fixture.ContributeAll();
    fixture.Step();
    CHECK(fixture.Round().state == v1::Round::FAILED);
    CHECK(fixture.Round().failure_reason == "DELTA_NOT_FINITE");
    CHECK(fixture.Head().digest == base);
  }
}

TEST_CASE("Two replicas on one database do no step twice", "[rounds]") {
  RoundFixture fixture(RoundFixture::DefaultPlan(), 6);
  constexpr int kRounds = 3;
  rounds::RoundMachine other(fixture.Dependencies(), {});
  Require(fixture.TryStart(kRounds).status());
  for (int64_t number = 1; number <= kRounds; ++number) {
    std::vector<absl::Status> results(4);
    const auto race = [&] {
      std::vector<std::thread> threads;
      for (size_t i = 0; i < results.size(); ++i) {
        threads.emplace_back(
            [&, i] { results[i] = (i % 2 == 0 ? fixture.machine() : other).RunUntilIdle(); });
      }
      for (std::thread& thread : threads) thread.join();
      for (const absl::Status& status : results) CHECK(status.ok());
      fixture.Step();  // what a lock that was held made them leave
    };
    race();
    REQUIRE(fixture.Round(number).state == v1::Round::TRAINING);
    fixture.ContributeAll(number);
    race();
    REQUIRE(fixture.Round(number).state == v1::Round::COMMITTED);
    CHECK(fixture.Head().version == number + 1);
    CHECK(fixture.Head().contribution_count == 6);
  }
  CHECK(fixture.Sql("SELECT 1 FROM contributions").size() == 6 * kRounds);
  const auto moves = fixture.Sql("SELECT count(*) FROM audit_events WHERE action = 'MoveRound'");
  CHECK(moves[0].Int(0) == 3 * kRounds);
  CHECK(fixture.Sql("SELECT 1 FROM audit_events WHERE action = 'MoveContribution'").size() ==
        6 * kRounds);
}

// Waits for a change that a worker's threads make, woken by the database.
bool Eventually(RoundFixture& fixture, const std::function<bool()>& condition) {
  absl::Mutex mutex;
  int64_t changes = 0;
  const auto subscription =
      fixture.database().Subscribe(repositories::RepositoryTopic(fixture.repository()), [&] {
        absl::MutexLock lock(&mutex);
        ++changes;
      });
  const absl::Time end = absl::Now() + absl::Seconds(60);
  for (int64_t seen = -1; !condition();) {
    absl::MutexLock lock(&mutex);
    const auto changed = [&] { return changes != seen; };
    if (!mutex.AwaitWithDeadline(absl::Condition(&changed), end)) return condition();
    seen = changes;
  }
  return true;
}

TEST_CASE("Workers drive a series by themselves", "[rounds]") {
  RoundFixture fixture;
  const auto state = [&](int64_t number) { return fixture.Round(number).state; };
  rounds::RoundWorker first(fixture.Dependencies());
  rounds::RoundWorker second(fixture.Dependencies());
  first.Start();
  second.Start();
  Require(fixture.TryStart(2).status());
  REQUIRE(Eventually(fixture, [&] { return state(1) == v1::Round::TRAINING; }));
  fixture.ContributeAll(1);
  REQUIRE(Eventually(fixture, [&] { return state(1) == v1::Round::COMMITTED; }));
  first.Stop();
  REQUIRE(Eventually(fixture, [&] { return state(2) == v1::Round::TRAINING; }));
  fixture.ContributeAll(2);
  REQUIRE(Eventually(fixture, [&] { return state(2) == v1::Round::COMMITTED; }));
  second.Stop();
}

}  // namespace
}  // namespace federity::testing
