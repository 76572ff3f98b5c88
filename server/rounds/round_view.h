#ifndef FEDERITY_SERVER_ROUNDS_ROUND_VIEW_H_
#define FEDERITY_SERVER_ROUNDS_ROUND_VIEW_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "federity/v1/contributions.pb.h"
#include "federity/v1/rounds.pb.h"
#include "server/rounds/round_store.h"
#include "server/store/database.h"

namespace federity::rounds {

// Rounds and contributions as their readers may see them.

// Maintainers see every member's line; anybody else counts and its own.
struct Viewer {
  std::string member;  // UUID
  bool maintainer = false;
};

// The whole round, with participants and what it waits for.
absl::StatusOr<v1::Round> ViewRound(store::Transaction& transaction, const RoundRow& round,
                                    const Viewer& viewer, absl::Time now);

// Rounds of one repository without participants; REQUIRES: in order of number,
// either way.
absl::StatusOr<std::vector<v1::Round>> ViewRounds(store::Transaction& transaction,
                                                  const std::vector<RoundRow>& rounds);

// Exact figures to maintainers and the contributor, buckets to others; the
// metrics to the contributor alone.
v1::Contribution ViewContribution(const ContributionRow& contribution,
                                  std::string_view repository_name, const Viewer& viewer);

// "training 40 %", "refused: …".
std::string ContributionWords(const ContributionRow& contribution);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_ROUND_VIEW_H_
