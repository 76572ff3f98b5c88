// Work that changes hands: replicas that die, stall, or wait for a slow disk.
#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include "tests/integration/rounds/round_fixture.h"

namespace federity::testing {
namespace {

namespace fs = std::filesystem;

// A machine whose long work does something once, between two blocks.
class Interrupted {
 public:
  Interrupted(RoundFixture& fixture, rounds::RoundOptions options, std::function<void()> once)
      : once_(std::move(once)), machine_(fixture.Dependencies(), [&] {
          options.stopping = [this] {
            if (const auto run = std::exchange(once_, nullptr)) run();
            return false;
          };
          return options;
        }()) {}
  rounds::RoundMachine& machine() { return machine_; }

 private:
  std::function<void()> once_;
  rounds::RoundMachine machine_;
};

void UntilMerging(RoundFixture& fixture) {
  fixture.Start();
  fixture.ContributeAll();
  while (Require(fixture.machine().VerifyOne())) {
  }
  while (Require(fixture.machine().Step())) {
  }
  REQUIRE(fixture.Round().state == v1::Round::MERGING);
}

int64_t Count(RoundFixture& fixture, const std::string& rows) {
  return fixture.Sql("SELECT count(*) FROM " + rows)[0].Int(0);
}

}  // namespace

TEST_CASE("A merge that stalled is done elsewhere and commits nothing late", "[rounds]") {
  RoundFixture fixture;
  UntilMerging(fixture);
  bool taken = false;
  std::string committed;
  Interrupted late(fixture, {}, [&] {
    fixture.Sql("UPDATE rounds SET lease_until = now()");  // as time would have it
    taken = Require(fixture.machine().MergeOne());
    committed = fixture.Head().digest;
  });
  CHECK(Require(late.machine().MergeOne()));
  REQUIRE(taken);
  CHECK(fixture.Round().state == v1::Round::COMMITTED);
  CHECK(fixture.Head().digest == committed);
  CHECK(fixture.Head().version == 2);
  CHECK(Count(fixture, "commits") == 2);
  CHECK(Count(fixture, "audit_events WHERE action = 'MoveRound'") == 3);
  // Both wrote the same bytes to the same address, and left nothing half done.
  CHECK(fixture.Load(fixture.Head().weights_digest).size() > 0);
  CHECK(Require(fixture.blobs().ListPartial(fixture.repository())).empty());
}

TEST_CASE("A merge that was taken over leaves the new holder's lease alone", "[rounds]") {
  RoundFixture fixture;
  UntilMerging(fixture);
  const std::string successor = crypto::RandomUuid();
  Interrupted late(fixture, {}, [&] {
    fixture.Sql("UPDATE rounds SET lease_token = lease_token + 1, lease_owner = $1, "
                "lease_until = now() + interval '1 hour'",
                store::Params().Text(successor));
  });
  CHECK(Require(late.machine().MergeOne()));
  CHECK(fixture.Round().state == v1::Round::MERGING);
  CHECK(Count(fixture, "commits") == 1);
  CHECK(Count(fixture, StrCat("rounds WHERE lease_owner = '", successor,
                              "' AND lease_until > now() + interval '50 minutes'")) == 1);
}

TEST_CASE("A check that stalled is done elsewhere and changes nothing late", "[rounds]") {
  RoundFixture fixture;
  fixture.Start();
  fixture.Contribute(fixture.agents()[0], {kOne, 0, 0});
  bool taken = false;
  Interrupted late(fixture, {}, [&] {
    fixture.Sql("UPDATE contributions SET lease_until = now() WHERE state = 3");
    taken = Require(fixture.machine().VerifyOne());
  });
  CHECK(Require(late.machine().VerifyOne()));
  REQUIRE(taken);
  CHECK(fixture.Contribution(fixture.agents()[0]).state == v1::Contribution::ACCEPTED);
  CHECK(Count(fixture, "audit_events WHERE action = 'MoveContribution'") == 1);
}

TEST_CASE("A block that takes longer than the lease does not lose it", "[rounds]") {
  RoundFixture fixture;
  UntilMerging(fixture);
  constexpr absl::Duration kLease = absl::Seconds(3);
  Interrupted slow(fixture, {.lease = kLease}, [&] {
    const auto end = [&] { return fixture.Sql("SELECT lease_until FROM rounds")[0].Time(0); };
    // Renewed twice within this block.
    for (const absl::Time first = end(); end() < first + kLease / 2;) {
      CHECK_FALSE(Require(fixture.machine().MergeOne()));
    }
  });
  CHECK(Require(slow.machine().MergeOne()));
  CHECK(fixture.Round().state == v1::Round::COMMITTED);
  CHECK(fixture.Round().lease_token == 1);
}

TEST_CASE("A merge that failed for a reason of the disk's is tried again later", "[rounds]") {
  RoundFixture fixture;
  UntilMerging(fixture);
  const fs::path weights = Require(fixture.blobs().SealedFile(
      fixture.repository(), Require(crypto::ParseDigest(fixture.Head().weights_digest))));
  fs::path aside = weights;
  aside += ".aside";
  fs::rename(weights, aside);
  fs::create_symlink(weights, weights);  // a loop: the disk answers with nonsense
  CHECK_FALSE(fixture.machine().MergeOne().ok());
  CHECK(fixture.Round().state == v1::Round::MERGING);
  // Not at once, and not by another.
  CHECK_FALSE(Require(fixture.machine().MergeOne()));
  const absl::Time again = Require(fixture.machine().NextMerge());
  CHECK(again > fixture.now() + absl::Seconds(30));
  CHECK(again <= fixture.now() + absl::Minutes(1));
  fs::remove(weights);
  fs::rename(aside, weights);
  fixture.Sql("UPDATE rounds SET lease_until = now()");
  CHECK(Require(fixture.machine().MergeOne()));
  CHECK(fixture.Round().state == v1::Round::COMMITTED);
}

}  // namespace federity::testing
