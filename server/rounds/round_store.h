#ifndef FEDERITY_SERVER_ROUNDS_ROUND_STORE_H_
#define FEDERITY_SERVER_ROUNDS_ROUND_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/errors.h"
#include "server/rounds/round_transitions.h"
#include "server/store/database.h"

namespace federity::rounds {

// Rows of rounds and contributions as values, and the only statements that
// change their state. Locks are always taken in the order round, contributions,
// repository, so that transitions cannot deadlock one another. Free functions;
// as thread-safe as their transaction.

struct RoundRow {
  std::string repository;       // UUID
  std::string repository_name;  // resource name
  std::string organization;     // that owns the repository
  int64_t number = 0;
  std::string series;
  int series_index = 1;
  int series_count = 1;
  bool series_ended = false;
  v1::Round::State state = v1::Round::RECRUITING;
  std::string base_commit;  // digest
  std::optional<std::string> commit;
  std::string plan_digest;
  std::optional<std::string> standardisation_digest;
  uint64_t seed = 0;
  int64_t min_contributions = 1;
  std::optional<int64_t> target_contributions;
  absl::Duration training;
  int64_t max_examples = 1;
  std::string failure;
  std::string failure_reason;
  absl::Time created;
  absl::Time recruit_deadline;
  std::optional<absl::Time> trained;
  std::optional<absl::Time> deadline;
  std::optional<absl::Time> ended;
  std::optional<absl::Time> due;
  int64_t lease_token = 0;

  std::string name() const;  // resource name
};

struct ContributionRow {
  std::string id;
  int64_t round = 0;
  std::string member;  // UUID
  std::string organization;
  std::string organization_display_name;
  bool member_removed = false;
  v1::Contribution::State state = v1::Contribution::ASSIGNED;
  v1::ContributionPhase phase = v1::CONTRIBUTION_PHASE_UNSPECIFIED;
  double fraction = 0;
  std::string refusal;
  std::string refusal_reason;
  std::optional<std::string> delta_digest;
  int64_t delta_bytes = 0;
  int64_t examples = 0;
  std::optional<double> norm;
  int64_t base_examples = 0;
  double base_loss_sum = 0;
  std::string base_confusion;  // PostgreSQL's array text, "{1,2}"
  absl::Time created;
  absl::Time progress;
  std::optional<absl::Time> submitted;
  absl::Time updated;
  int64_t lease_token = 0;
};

// kUpdate makes transitions of one round follow one another.
enum class Lock { kNone, kUpdate };

// A statement's text: the columns that ReadRound expects, then the tables. Goes
// before "WHERE …"; the rounds are `r`.
extern const char* const kSelectRounds;
RoundRow ReadRound(const store::Row& row);
// The same for contributions, `c`; ReadContribution expects it.
extern const char* const kSelectContributions;
ContributionRow ReadContribution(const store::Row& row);

// nullopt if there is none.
absl::StatusOr<std::optional<RoundRow>> FindRound(store::Transaction& transaction,
                                                  std::string_view repository, int64_t number,
                                                  Lock lock);
// By organisation and time of joining, stable for display. kUpdate: none of them
// shows progress before the transaction ends.
absl::StatusOr<std::vector<ContributionRow>> ListContributions(store::Transaction& transaction,
                                                               std::string_view repository,
                                                               int64_t round,
                                                               Lock lock = Lock::kNone);
// One of a round; nullopt if there is none.
absl::StatusOr<std::optional<ContributionRow>> FindContribution(store::Transaction& transaction,
                                                                std::string_view repository,
                                                                int64_t round, std::string_view id,
                                                                Lock lock);

// How a round ends or goes on.
struct TransitionFacts {
  ErrorReason reason = v1::ERROR_REASON_UNSPECIFIED;
  std::string words;                   // of a failure or cancellation
  std::optional<std::string> commit;   // kMerged
  std::optional<absl::Time> deadline;  // kCohortReady
  std::optional<absl::Time> due;       // when the machine must look again
  std::vector<std::pair<std::string, std::string>> audit;
};

// Moves a locked round along the table: state, its times, the end of its series
// and of what is still open, audit row and notifications, all in `transaction`.
// ROUND_STATE if the table has no such step; nothing is changed then.
absl::Status MoveRound(store::Transaction& transaction, RoundRow& round, RoundEvent event,
                       const TransitionFacts& facts, absl::Time now);

// Fails every round that runs, with this event.
absl::Status FailRunningRounds(store::Transaction& transaction, RoundEvent event,
                               const TransitionFacts& facts, absl::Time now);

// Moves one contribution; REQUIRES: its round is locked. ROUND_STATE if the
// table has no such step. Wakes watchers and, where the round waits for it, the
// machine.
absl::Status MoveContribution(store::Transaction& transaction, const RoundRow& round,
                              ContributionRow& contribution, ContributionEvent event,
                              ErrorReason reason, std::string_view words, absl::Time now);

// The machine looks at the round again, now.
absl::Status TouchRound(store::Transaction& transaction, std::string_view repository,
                        int64_t number, absl::Time now);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_ROUND_STORE_H_
