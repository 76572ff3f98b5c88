#ifndef FEDERITY_SERVER_ROUNDS_ROUND_DECISIONS_H_
#define FEDERITY_SERVER_ROUNDS_ROUND_DECISIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/base/errors.h"
#include "server/rounds/round_transitions.h"

namespace federity::rounds {

// What a round does next, as pure functions of what the database holds and the
// time, so that every rule of the machine can be tested without one.

// An agent member that could take part, as it stands now.
struct Recruit {
  std::string organization;
  bool ready = false;  // connected, approved, not paused
};

struct RecruitingView {
  absl::Time created;
  absl::Time recruit_deadline;
  int64_t min_contributions = 1;
  std::vector<Recruit> recruits;
};

struct RecruitingDecision {
  std::optional<RoundEvent> event;
  absl::Time due;  // when to look again, without an event
};

// Minimum cohorts are counted in organisations (decision 6): a hospital with
// three workstations is one voice. Starts when the minimum is ready and either
// everybody is, or `grace` after the round was made.
RecruitingDecision DecideRecruiting(const RecruitingView& view, absl::Time now,
                                    absl::Duration grace);

// A contribution to a round in TRAINING.
struct Standing {
  std::string organization;
  v1::Contribution::State state = v1::Contribution::ASSIGNED;
  absl::Time progress;   // last sign of progress
  bool removed = false;  // its member is no longer one
};

struct TrainingView {
  absl::Time deadline;
  int64_t min_contributions = 1;
  std::optional<int64_t> target_contributions;
  std::vector<Standing> standings;
};

struct TrainingRules {
  absl::Duration silence;
  // How long after the deadline a verification may still take.
  absl::Duration verify_bound;
  // Nobody could show progress to a coordinator that was not there: silence
  // counts from its start at the earliest.
  absl::Time up_since;
};

// A contribution that ends without its member's doing.
struct Ending {
  size_t index;  // in standings
  ContributionEvent event;
  ErrorReason reason;
  std::string words;
};

struct TrainingDecision {
  std::vector<Ending> endings;
  std::optional<RoundEvent> event;
  absl::Time due;  // when to look again, without an event
};
TrainingDecision DecideTraining(const TrainingView& view, absl::Time now,
                                const TrainingRules& rules);

// Distinct organisations among them.
int64_t CountOrganizations(const std::vector<std::string>& organizations);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_ROUND_DECISIONS_H_
