#ifndef FEDERITY_SERVER_ROUNDS_ROUND_START_H_
#define FEDERITY_SERVER_ROUNDS_ROUND_START_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/rounds/round_store.h"
#include "server/store/database.h"

namespace federity::rounds {

// Starts a series of `count` rounds and its first round. Refused at once:
//   INVALID_ARGUMENT          count is not 1 to 10000
//   ROUND_IN_PROGRESS         one runs
//   ROUND_STATE               nothing was pushed yet
//   FEATURE_NOT_AVAILABLE     the plan wants proofs or secure aggregation
//   STANDARDISATION_MISSING   the plan wants federated statistics, none are frozen
//   TOO_FEW_MEMBERS           fewer organisations than round.min_contributions
//                             have an agent here; metadata "members" lists them
//   OVERFLOW_POSSIBLE         the sums could pass 63 bits
// Locks the repository's row.
absl::StatusOr<RoundRow> StartSeries(store::Transaction& transaction, std::string_view repository,
                                     int64_t count, std::string_view creator, absl::Time now);

// The round after `previous` in its series, from the commit that it made; in the
// same transaction. What StartSeries would refuse makes a round that has FAILED,
// so that the series says why it ended.
absl::Status StartNextRound(store::Transaction& transaction, const RoundRow& previous,
                            absl::Time now);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_ROUND_START_H_
