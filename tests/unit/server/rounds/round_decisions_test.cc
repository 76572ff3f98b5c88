#include "server/rounds/round_decisions.h"

#include <catch2/catch.hpp>

namespace federity::rounds {
namespace {

const absl::Time kBegin = absl::FromUnixSeconds(1'800'000'000);
constexpr absl::Duration kGrace = absl::Seconds(10);

RecruitingView Recruiting(std::vector<Recruit> recruits) {
  return {.created = kBegin,
          .recruit_deadline = kBegin + absl::Hours(1),
          .min_contributions = 3,
          .recruits = std::move(recruits)};
}

TEST_CASE("Recruiting starts at once when everybody is there", "[rounds]") {
  const auto decision =
      DecideRecruiting(Recruiting({{"a", true}, {"b", true}, {"c", true}}), kBegin, kGrace);
  CHECK(decision.event == RoundEvent::kCohortReady);
}

TEST_CASE("Recruiting waits the grace for agents that may still come", "[rounds]") {
  const auto view = Recruiting({{"a", true}, {"b", true}, {"c", true}, {"d", false}});
  const auto early = DecideRecruiting(view, kBegin + kGrace - absl::Microseconds(1), kGrace);
  CHECK_FALSE(early.event.has_value());
  CHECK(early.due == kBegin + kGrace);
  CHECK(DecideRecruiting(view, kBegin + kGrace, kGrace).event == RoundEvent::kCohortReady);
}

TEST_CASE("Recruiting goes on until its deadline, then the round fails", "[rounds]") {
  const auto view = Recruiting({{"a", true}, {"b", true}, {"c", false}});
  const auto waiting = DecideRecruiting(view, kBegin + absl::Minutes(59), kGrace);
  CHECK_FALSE(waiting.event.has_value());
  CHECK(waiting.due == view.recruit_deadline);
  CHECK(DecideRecruiting(view, view.recruit_deadline, kGrace).event == RoundEvent::kTooFew);
}

TEST_CASE("Three workstations of one hospital are one voice", "[rounds]") {
  const auto one = Recruiting({{"a", true}, {"a", true}, {"a", true}});
  CHECK_FALSE(DecideRecruiting(one, kBegin + absl::Minutes(1), kGrace).event.has_value());
  CHECK(CountOrganizations({"a", "a", "b"}) == 2);
}

constexpr auto kAssigned = v1::Contribution::ASSIGNED;
constexpr auto kVerifying = v1::Contribution::VERIFYING;
constexpr auto kAccepted = v1::Contribution::ACCEPTED;
constexpr auto kRefused = v1::Contribution::REFUSED;
constexpr auto kAbandoned = v1::Contribution::ABANDONED;

TrainingView Training(std::vector<v1::Contribution::State> states) {
  TrainingView view;
  view.deadline = kBegin + absl::Minutes(10);
  view.min_contributions = 2;
  for (size_t i = 0; i < states.size(); ++i) {
    view.standings.push_back({.organization = std::string(1, static_cast<char>('a' + i)),
                              .state = states[i],
                              .progress = kBegin});
  }
  return view;
}
const TrainingRules kRules = {.silence = absl::Seconds(60),
                              .verify_bound = absl::Minutes(5),
                              .up_since = absl::InfinitePast()};

TEST_CASE("A round closes once everybody has answered", "[rounds]") {
  const absl::Time now = kBegin + absl::Seconds(1);
  CHECK(DecideTraining(Training({kAccepted, kAccepted, kRefused, kAbandoned}), now, kRules).event ==
        RoundEvent::kClosed);
  CHECK(DecideTraining(Training({kAccepted, kRefused, kAbandoned}), now, kRules).event ==
        RoundEvent::kTooFew);
  CHECK_FALSE(
      DecideTraining(Training({kAccepted, kAccepted, kAssigned}), now, kRules).event.has_value());
  CHECK_FALSE(
      DecideTraining(Training({kAccepted, kAccepted, kVerifying}), now, kRules).event.has_value());
}

TEST_CASE("Two accepted updates of one organisation are not two voices", "[rounds]") {
  auto view = Training({kAccepted, kAccepted});
  view.standings[1].organization = "a";
  CHECK(DecideTraining(view, kBegin, kRules).event == RoundEvent::kTooFew);
}

TEST_CASE("A silent contributor is given up after the silence timeout", "[rounds]") {
  const auto view = Training({kAccepted, kAccepted, kAssigned});
  const auto before = DecideTraining(view, kBegin + absl::Seconds(59), kRules);
  CHECK(before.endings.empty());
  CHECK(before.due == kBegin + absl::Seconds(60));
  const auto after = DecideTraining(view, kBegin + absl::Seconds(60), kRules);
  REQUIRE(after.endings.size() == 1);
  CHECK(after.endings[0].index == 2);
  CHECK(after.endings[0].reason == v1::ERROR_REASON_CONTRIBUTOR_SILENT);
  CHECK(after.event == RoundEvent::kClosed);
}

TEST_CASE("Nobody is silent to a coordinator that was down", "[rounds]") {
  TrainingRules rules = kRules;
  rules.up_since = kBegin + absl::Minutes(5);
  const auto view = Training({kAccepted, kAccepted, kAssigned});
  const auto decision = DecideTraining(view, rules.up_since + absl::Seconds(59), rules);
  CHECK(decision.endings.empty());
  CHECK(decision.due == rules.up_since + absl::Seconds(60));
}

TEST_CASE("Reaching the target closes the round without the rest", "[rounds]") {
  auto view = Training({kAccepted, kAccepted, kAssigned, kVerifying});
  view.target_contributions = 2;
  const auto decision = DecideTraining(view, kBegin, kRules);
  CHECK(decision.event == RoundEvent::kClosed);
  REQUIRE(decision.endings.size() == 2);
  CHECK(decision.endings[0].event == ContributionEvent::kGivenUp);
  CHECK(decision.endings[1].event == ContributionEvent::kRefused);
  CHECK(decision.endings[0].reason == v1::ERROR_REASON_CONTRIBUTION_LATE);
  CHECK(decision.endings[1].reason == v1::ERROR_REASON_CONTRIBUTION_LATE);
}

TEST_CASE("The target counts nothing while the minimum is not met", "[rounds]") {
  auto view = Training({kAccepted, kAccepted, kAssigned});
  view.standings[1].organization = "a";
  view.target_contributions = 2;
  CHECK_FALSE(DecideTraining(view, kBegin, kRules).event.has_value());
}

TEST_CASE("The deadline closes what is open and waits for what is verified", "[rounds]") {
  auto view = Training({kAccepted, kVerifying, kAssigned});
  view.standings[2].progress = view.deadline;
  const auto at_deadline = DecideTraining(view, view.deadline, kRules);
  CHECK_FALSE(at_deadline.event.has_value());
  REQUIRE(at_deadline.endings.size() == 1);
  CHECK(at_deadline.endings[0].reason == v1::ERROR_REASON_CONTRIBUTION_LATE);
  CHECK(at_deadline.due == view.deadline + kRules.verify_bound);
  const auto bound = DecideTraining(view, view.deadline + kRules.verify_bound, kRules);
  CHECK(bound.endings.size() == 2);
  CHECK(bound.event == RoundEvent::kTooFew);
}

TEST_CASE("A removed member's open work ends, what it handed in stays", "[rounds]") {
  auto view = Training({kAccepted, kAccepted, kAssigned, kVerifying});
  view.standings[2].removed = true;
  view.standings[3].removed = true;
  const auto decision = DecideTraining(view, kBegin, kRules);
  REQUIRE(decision.endings.size() == 1);
  CHECK(decision.endings[0].index == 2);
  CHECK(decision.endings[0].reason == v1::ERROR_REASON_CONTRIBUTION_WITHDRAWN);
}

}  // namespace
}  // namespace federity::rounds
