#include "server/rounds/round_transitions.h"

#include <catch2/catch.hpp>
#include <set>
#include <tuple>

namespace federity::rounds {
namespace {

constexpr RoundEvent kRoundEvents[] = {RoundEvent::kCohortReady, RoundEvent::kTooFew,
                                       RoundEvent::kRefused,     RoundEvent::kClosed,
                                       RoundEvent::kMerged,      RoundEvent::kCancelled,
                                       RoundEvent::kRestored};

TEST_CASE("Rounds make exactly the transitions of the design", "[rounds]") {
  using R = v1::Round;
  const std::set<std::tuple<R::State, RoundEvent, R::State>> expected = {
      {R::RECRUITING, RoundEvent::kCohortReady, R::TRAINING},
      {R::RECRUITING, RoundEvent::kTooFew, R::FAILED},
      {R::RECRUITING, RoundEvent::kRefused, R::FAILED},
      {R::RECRUITING, RoundEvent::kCancelled, R::CANCELLED},
      {R::RECRUITING, RoundEvent::kRestored, R::FAILED},
      {R::TRAINING, RoundEvent::kClosed, R::MERGING},
      {R::TRAINING, RoundEvent::kTooFew, R::FAILED},
      {R::TRAINING, RoundEvent::kCancelled, R::CANCELLED},
      {R::TRAINING, RoundEvent::kRestored, R::FAILED},
      {R::MERGING, RoundEvent::kMerged, R::COMMITTED},
      {R::MERGING, RoundEvent::kTooFew, R::FAILED},
      {R::MERGING, RoundEvent::kRefused, R::FAILED},
      {R::MERGING, RoundEvent::kCancelled, R::CANCELLED},
      {R::MERGING, RoundEvent::kRestored, R::FAILED},
  };
  std::set<std::tuple<R::State, RoundEvent, R::State>> actual;
  for (int state = R::STATE_UNSPECIFIED; state <= R::CANCELLED; ++state) {
    for (const RoundEvent event : kRoundEvents) {
      const auto from = static_cast<R::State>(state);
      if (const auto next = NextState(from, event)) actual.insert({from, event, *next});
    }
  }
  CHECK(actual == expected);
}

TEST_CASE("An ended round never moves again", "[rounds]") {
  for (const auto state : {v1::Round::COMMITTED, v1::Round::FAILED, v1::Round::CANCELLED}) {
    CHECK_FALSE(IsRunning(state));
    for (const RoundEvent event : kRoundEvents) CHECK_FALSE(NextState(state, event).has_value());
  }
}

TEST_CASE("Contributions move forward and can be withdrawn until the merge", "[rounds]") {
  using C = v1::Contribution;
  using E = ContributionEvent;
  CHECK(NextState(C::ASSIGNED, E::kUploadBegan) == C::UPLOADING);
  for (const auto open : {C::ASSIGNED, C::UPLOADING}) {
    CHECK(IsOpen(open));
    CHECK(NextState(open, E::kSubmitted) == C::VERIFYING);
    CHECK(NextState(open, E::kRefused) == C::REFUSED);
    CHECK(NextState(open, E::kGivenUp) == C::ABANDONED);
    CHECK_FALSE(NextState(open, E::kAccepted).has_value());
  }
  CHECK(NextState(C::VERIFYING, E::kAccepted) == C::ACCEPTED);
  CHECK(NextState(C::VERIFYING, E::kRefused) == C::REFUSED);
  CHECK_FALSE(NextState(C::VERIFYING, E::kSubmitted).has_value());
  CHECK(NextState(C::ACCEPTED, E::kGivenUp) == C::ABANDONED);
  CHECK_FALSE(NextState(C::ACCEPTED, E::kRefused).has_value());
  for (const auto ended : {C::REFUSED, C::ABANDONED}) {
    for (const auto event :
         {E::kUploadBegan, E::kSubmitted, E::kAccepted, E::kRefused, E::kGivenUp}) {
      CHECK_FALSE(NextState(ended, event).has_value());
    }
  }
}

TEST_CASE("States have their API names", "[rounds]") {
  CHECK(StateName(v1::Round::RECRUITING) == "RECRUITING");
  CHECK(StateName(v1::Contribution::ABANDONED) == "ABANDONED");
}

}  // namespace
}  // namespace federity::rounds
