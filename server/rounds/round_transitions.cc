#include "server/rounds/round_transitions.h"

namespace federity::rounds {
namespace {

struct RoundTransition {
  v1::Round::State from;
  RoundEvent event;
  v1::Round::State to;
};
constexpr RoundTransition kRoundTransitions[] = {
    {v1::Round::RECRUITING, RoundEvent::kCohortReady, v1::Round::TRAINING},
    {v1::Round::RECRUITING, RoundEvent::kTooFew, v1::Round::FAILED},
    {v1::Round::RECRUITING, RoundEvent::kRefused, v1::Round::FAILED},
    {v1::Round::RECRUITING, RoundEvent::kCancelled, v1::Round::CANCELLED},
    {v1::Round::RECRUITING, RoundEvent::kRestored, v1::Round::FAILED},
    {v1::Round::TRAINING, RoundEvent::kClosed, v1::Round::MERGING},
    {v1::Round::TRAINING, RoundEvent::kTooFew, v1::Round::FAILED},
    {v1::Round::TRAINING, RoundEvent::kCancelled, v1::Round::CANCELLED},
    {v1::Round::TRAINING, RoundEvent::kRestored, v1::Round::FAILED},
    {v1::Round::MERGING, RoundEvent::kMerged, v1::Round::COMMITTED},
    // A member was removed after the close.
    {v1::Round::MERGING, RoundEvent::kTooFew, v1::Round::FAILED},
    {v1::Round::MERGING, RoundEvent::kRefused, v1::Round::FAILED},
    {v1::Round::MERGING, RoundEvent::kCancelled, v1::Round::CANCELLED},
    {v1::Round::MERGING, RoundEvent::kRestored, v1::Round::FAILED},
};

struct ContributionTransition {
  v1::Contribution::State from;
  ContributionEvent event;
  v1::Contribution::State to;
};
constexpr ContributionTransition kContributionTransitions[] = {
    {v1::Contribution::ASSIGNED, ContributionEvent::kUploadBegan, v1::Contribution::UPLOADING},
    {v1::Contribution::ASSIGNED, ContributionEvent::kSubmitted, v1::Contribution::VERIFYING},
    {v1::Contribution::ASSIGNED, ContributionEvent::kRefused, v1::Contribution::REFUSED},
    {v1::Contribution::ASSIGNED, ContributionEvent::kGivenUp, v1::Contribution::ABANDONED},
    {v1::Contribution::UPLOADING, ContributionEvent::kSubmitted, v1::Contribution::VERIFYING},
    {v1::Contribution::UPLOADING, ContributionEvent::kRefused, v1::Contribution::REFUSED},
    {v1::Contribution::UPLOADING, ContributionEvent::kGivenUp, v1::Contribution::ABANDONED},
    {v1::Contribution::VERIFYING, ContributionEvent::kAccepted, v1::Contribution::ACCEPTED},
    {v1::Contribution::VERIFYING, ContributionEvent::kRefused, v1::Contribution::REFUSED},
    {v1::Contribution::VERIFYING, ContributionEvent::kGivenUp, v1::Contribution::ABANDONED},
    // Withdrawn before the merge.
    {v1::Contribution::ACCEPTED, ContributionEvent::kGivenUp, v1::Contribution::ABANDONED},
};

// "STATE" without the enum's scope.
template <typename Descriptor>
std::string_view NameOf(const Descriptor* descriptor, int value) {
  const auto* found = descriptor->FindValueByNumber(value);
  return found == nullptr ? std::string_view("UNKNOWN") : std::string_view(found->name());
}

}  // namespace

std::optional<v1::Round::State> NextState(v1::Round::State from, RoundEvent event) {
  for (const RoundTransition& transition : kRoundTransitions) {
    if (transition.from == from && transition.event == event) return transition.to;
  }
  return std::nullopt;
}

std::optional<v1::Contribution::State> NextState(v1::Contribution::State from,
                                                 ContributionEvent event) {
  for (const ContributionTransition& transition : kContributionTransitions) {
    if (transition.from == from && transition.event == event) return transition.to;
  }
  return std::nullopt;
}

bool IsRunning(v1::Round::State state) {
  return state == v1::Round::RECRUITING || state == v1::Round::TRAINING ||
         state == v1::Round::MERGING;
}

bool IsOpen(v1::Contribution::State state) {
  return state == v1::Contribution::ASSIGNED || state == v1::Contribution::UPLOADING;
}

std::string_view StateName(v1::Round::State state) {
  return NameOf(v1::Round::State_descriptor(), state);
}

std::string_view StateName(v1::Contribution::State state) {
  return NameOf(v1::Contribution::State_descriptor(), state);
}

}  // namespace federity::rounds
