#ifndef FEDERITY_SERVER_ROUNDS_MERGING_H_
#define FEDERITY_SERVER_ROUNDS_MERGING_H_

#include <string>

#include "absl/status/statusor.h"
#include "server/rounds/round_context.h"
#include "server/rounds/round_store.h"

namespace federity::rounds {

// Takes a MERGING round under a lease, folds its accepted contributions into new
// weights, and commits version, states, the series' next round and audit in one
// transaction; false if none waits. The transaction is refused to whoever lost
// the lease, and to a merge whose set of contributions changed meanwhile (it
// starts again). What cannot succeed (too few left, a blob lost, no space)
// makes the round FAILED; an error is one that another attempt may not have.
// Thread-safe.
absl::StatusOr<bool> MergeOne(const RoundDependencies& dependencies, const RoundOptions& options);

// Why a round has too few contributions, without naming anybody.
std::string TooFewWords(const RoundRow& round, const std::vector<ContributionRow>& contributions);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_MERGING_H_
