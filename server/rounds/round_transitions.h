#ifndef FEDERITY_SERVER_ROUNDS_ROUND_TRANSITIONS_H_
#define FEDERITY_SERVER_ROUNDS_ROUND_TRANSITIONS_H_

#include <optional>
#include <string_view>

#include "federity/v1/contributions.pb.h"
#include "federity/v1/rounds.pb.h"

namespace federity::rounds {

// The round machine as data: whatever is not in these tables cannot happen.
// docs/design/rounds.md draws them.

enum class RoundEvent {
  kCohortReady,  // enough agents: the cohort is fixed
  kTooFew,       // fewer contributors than the minimum, for good
  kRefused,      // the round cannot be run as it was started (figures, head, merge)
  kClosed,       // everybody answered, the target is reached, or the deadline passed
  kMerged,       // the new commit exists
  kCancelled,    // a maintainer ended it
  kRestored,     // the coordinator came back from a backup that was made while it ran
};

// The state that follows; nullopt where the event is not allowed.
std::optional<v1::Round::State> NextState(v1::Round::State from, RoundEvent event);

enum class ContributionEvent {
  kUploadBegan,
  kSubmitted,
  kAccepted,
  kRefused,  // its bytes, metrics or signature are at fault, or it was verified too late
  kGivenUp,  // by its member, by silence, or because its round went on without it
};
std::optional<v1::Contribution::State> NextState(v1::Contribution::State from,
                                                 ContributionEvent event);

bool IsRunning(v1::Round::State state);
// ASSIGNED or UPLOADING: the member still works on it.
bool IsOpen(v1::Contribution::State state);

// "RECRUITING": for messages, metadata and audit rows.
std::string_view StateName(v1::Round::State state);
std::string_view StateName(v1::Contribution::State state);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_ROUND_TRANSITIONS_H_
