#include "client/agent/approval.h"

#include <catch2/catch.hpp>
#include <cerrno>

#include "client/agent/public_reason.h"
#include "client/trainer/failure.h"
#include "common/base/files.h"
#include "common/crypto/digest.h"

namespace federity::agent {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);  // 22:13:20 UTC

state::Membership Ready() {
  state::Membership membership;
  membership.datasets.emplace_back();
  membership.approval = state::Approval{};
  return membership;
}

std::string Why(const state::Membership& membership, bool paused = false) {
  return WhyNotReady(membership, paused, kNow, absl::UTCTimeZone());
}

TEST_CASE("WhyNotReady names the first reason", "[agent]") {
  state::Membership membership = Ready();
  CHECK(Why(membership).empty());
  CHECK(Why(membership, true) == "paused");
  SECTION("paused") {
    membership.paused = true;
    CHECK(Why(membership) == "paused");
  }
  SECTION("no data set") {
    membership.datasets.clear();
    CHECK(Why(membership) == "no data set");
  }
  SECTION("no approval") {
    membership.approval.reset();
    CHECK(Why(membership) == "waiting for approval");
  }
  SECTION("expiry is exact") {
    membership.approval->limits.expires = kNow;
    CHECK(Why(membership) == "approval expired");
    membership.approval->limits.expires = kNow + absl::Seconds(1);
    CHECK(Why(membership).empty());
  }
  SECTION("rounds") {
    membership.approval->limits.rounds = 3;
    membership.approval->rounds_used = 2;
    CHECK(Why(membership).empty());
    membership.approval->rounds_used = 3;
    CHECK(Why(membership) == "all 3 approved rounds are used");
  }
  SECTION("hours") {
    membership.approval->limits.hours = state::Hours{23 * 60, 6 * 60};
    CHECK(Why(membership) == "outside 23:00-06:00");
    membership.approval->limits.hours = state::Hours{22 * 60, 6 * 60};
    CHECK(Why(membership).empty());
  }
}

TEST_CASE("ApprovalDigest binds plan and program in their order", "[agent]") {
  const std::string a = crypto::Sha256("a").ToString();
  const std::string b = crypto::Sha256("b").ToString();
  CHECK(ApprovalDigest(a, b)->starts_with("sha256:"));
  CHECK(*ApprovalDigest(a, b) != *ApprovalDigest(b, a));
  CHECK_FALSE(ApprovalDigest(a, "").ok());
  CHECK_FALSE(ApprovalDigest("sha256:zz", b).ok());
}

TEST_CASE("StandingOf compares with what the coordinator said last", "[agent]") {
  state::Membership membership = Ready();
  CHECK(StandingOf(membership) == v1::APPROVAL_STATE_CURRENT);
  membership.plan_digest = "sha256:new";
  CHECK(StandingOf(membership) == v1::APPROVAL_STATE_OUTDATED);
  membership.approval.reset();
  CHECK(StandingOf(membership) == v1::APPROVAL_STATE_NONE);
}

TEST_CASE("PublicReason lets out what speaks of models, never of data", "[agent]") {
  CHECK(PublicReason(DescribeTrainerError(
            trainer::Failure(trainer::kModelRefused, "operator aten::from_file"))) ==
        "MODEL_REFUSED: operator aten::from_file");
  for (const absl::Status& status :
       {trainer::Failure(trainer::kDataInvalid, "secret"),
        trainer::Failure(trainer::kModelFailed, "secret"),
        trainer::Failure(trainer::kModelUnreadable, "secret"),
        trainer::Failure(trainer::kTrainingDiverged, "secret"),
        trainer::Failure(trainer::kUpdateOutOfRange, "secret"),
        trainer::Failure(trainer::kInternal, "secret"),
        trainer::Failure(trainer::kOutOfMemory, "secret"), absl::DeadlineExceededError("secret")})
    CHECK_THAT(PublicReason(DescribeTrainerError(status)), !Catch::Contains("secret"));
  CHECK_THAT(PublicReason(absl::InternalError("/secret/path")), !Catch::Contains("secret"));
  CHECK(PublicReason(ErrnoStatus(ENOSPC, "/secret/path")) == "the workstation's disk is full");
}

}  // namespace
}  // namespace federity::agent
