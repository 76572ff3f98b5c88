#ifndef FEDERITY_SERVER_MEMBERSHIP_WITHDRAWAL_H_
#define FEDERITY_SERVER_MEMBERSHIP_WITHDRAWAL_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/membership/members.h"
#include "server/store/database.h"

namespace federity::membership {

// Takes a leaving member's work out of what is not committed: its contributions
// in rounds that recruit, train or merge, and its answers to statistics that
// are being collected. A merge that has begun starts again without it (its lease
// is fenced off). Merged contributions stay, attributed. Wakes the repositories
// that it changed, and the round machine.
absl::Status WithdrawWork(store::Transaction& transaction, std::string_view member_id,
                          Leaving leaving, absl::Time now);

}  // namespace federity::membership

#endif  // FEDERITY_SERVER_MEMBERSHIP_WITHDRAWAL_H_
