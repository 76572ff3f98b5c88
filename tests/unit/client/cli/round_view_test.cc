#include "client/cli/round_view.h"

#include <catch2/catch.hpp>

#include "common/base/strings.h"

namespace federity::cli {
namespace {

using Catch::Matchers::Contains;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

v1::Round Training() {
  v1::Round round;
  round.set_name("organizations/o/repositories/r/rounds/3");
  round.set_state(v1::Round::TRAINING);
  round.set_series_index(1);
  round.set_series_count(1);
  round.mutable_create_time()->set_seconds(1'799'999'900);
  round.mutable_deadline()->set_seconds(1'800'000'240);
  round.set_waiting_for("1 member");
  for (const int count : {1, 0, 0, 2, 0, 0}) round.add_contribution_counts(count);
  for (const auto& [member, status] : std::vector<std::pair<std::string, std::string>>{
           {"aaaa", "accepted"}, {"bbbb", "training 40 %"}}) {
    v1::Participant& one = *round.add_participants();
    one.set_member(StrCat("organizations/o/repositories/r/members/", member));
    one.set_organization_display_name("St Luke");
    one.set_status(status);
  }
  return round;
}

TEST_CASE("The screen has the state, what it waits for, a line a member", "[cli]") {
  const auto lines = RoundLines(Training(), kNow);
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == "round 3: TRAINING, 2 of 3 accepted, 4 min 00 s left");
  CHECK(lines[1] == "waits for: 1 member");
  CHECK_THAT(lines[2], Contains("MEMBER") && Contains("STATUS"));
  CHECK_THAT(lines[4], Contains("bbbb") && Contains("St Luke") && Contains("training 40 %"));
}

TEST_CASE("Deadlines that passed and are not set", "[cli]") {
  v1::Round round = Training();
  CHECK_THAT(RoundHeadline(round, kNow + absl::Hours(1)), Contains("past its deadline"));
  round.clear_deadline();
  CHECK(RoundHeadline(round, kNow) == "round 3: TRAINING, 2 of 3 accepted");
  round.set_state(v1::Round::RECRUITING);
  round.mutable_recruit_deadline()->set_seconds(1'800'000'030);
  CHECK(RoundHeadline(round, kNow) == "round 3: RECRUITING, 30 s left");
}

TEST_CASE("An ended round says what came of it", "[cli]") {
  v1::Round round = Training();
  round.set_state(v1::Round::COMMITTED);
  round.set_commit(StrCat("organizations/o/repositories/r/commits/", std::string(64, 'f')));
  round.mutable_end_time()->set_seconds(1'799'999'912);
  CHECK(RoundHeadline(round, kNow) ==
        "round 3: COMMITTED, commit ffffffffffff, 2 contributions, 12 s");
  CHECK(HasEnded(round));
  round.set_state(v1::Round::CANCELLED);
  round.set_failure("by \x1b]0;title");
  CHECK_THAT(RoundHeadline(round, kNow), Contains("CANCELLED: by ") && !Contains("\x1b"));
}

TEST_CASE("A state of a later version has ended once it has an end", "[cli]") {
  v1::Round round = Training();
  round.set_state(static_cast<v1::Round::State>(99));
  CHECK_FALSE(HasEnded(round));
  CHECK_THAT(RoundHeadline(round, kNow), Contains("round 3: unknown (99), 2 of 3 accepted"));
  round.mutable_end_time()->set_seconds(1'800'000'000);
  round.set_failure("too quiet");
  CHECK(HasEnded(round));
  CHECK(RoundHeadline(round, kNow) == "round 3: unknown (99): too quiet");
}

TEST_CASE("The state's word is not said twice", "[cli]") {
  v1::Round round = Training();
  const auto headline = [&](v1::Round::State state, const char* reason) {
    round.set_state(state);
    round.set_failure(reason);
    return RoundHeadline(round, kNow);
  };
  CHECK(headline(v1::Round::CANCELLED, "cancelled: wrong plan") ==
        "round 3: CANCELLED: wrong plan");
  CHECK(headline(v1::Round::CANCELLED, "cancelled by a maintainer") ==
        "round 3: CANCELLED by a maintainer");
  CHECK(headline(v1::Round::FAILED, "Failed") == "round 3: FAILED");
  CHECK(headline(v1::Round::FAILED, "failedly odd") == "round 3: FAILED: failedly odd");
  CHECK(headline(v1::Round::FAILED, "1 of 3 came") == "round 3: FAILED: 1 of 3 came");
  CHECK(headline(v1::Round::FAILED, "") == "round 3: FAILED: no reason given");
}

TEST_CASE("A log says what changed and nothing twice", "[cli]") {
  RoundLog log;
  v1::Round round = Training();
  CHECK(log.Changes(round, kNow).size() == 4);
  CHECK(log.Changes(round, kNow).empty());
  // Progress and the clock are no news.
  round.mutable_participants(1)->set_status("training 41 %");
  CHECK(log.Changes(round, kNow + absl::Seconds(9)).empty());
  round.mutable_participants(1)->set_status("uploading 2 %");
  auto lines = log.Changes(round, kNow);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0] == "  St Luke (bbbb): uploading 2 %");
  round.mutable_participants(1)->set_status("refused: norm 12.5 over 10");
  round.set_state(v1::Round::MERGING);
  lines = log.Changes(round, kNow);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "round 3: MERGING, 2 of 3 accepted");
  // How it ended stands below what its members did.
  round.mutable_participants(0)->set_status("withdrawn");
  round.set_state(v1::Round::FAILED);
  lines = log.Changes(round, kNow);
  REQUIRE(lines.size() == 2);
  CHECK_THAT(lines[1], Contains("FAILED"));
  round.set_state(v1::Round::TRAINING);
  // The next round of the series begins anew.
  round.set_name("organizations/o/repositories/r/rounds/4");
  CHECK(log.Changes(round, kNow).size() == 4);
}

TEST_CASE("A coordinator that counts nothing is no trouble", "[cli]") {
  v1::Round round;
  round.set_state(v1::Round::TRAINING);
  CHECK(Count(round, v1::Contribution::ACCEPTED) == 0);
  CHECK(RoundHeadline(round, kNow) == "round : TRAINING, 0 of 0 accepted");
  CHECK(RoundLines(round, kNow).size() == 1);
}

}  // namespace
}  // namespace federity::cli
