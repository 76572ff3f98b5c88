#ifndef FEDERITY_SERVER_ROUNDS_STATISTICS_COHORT_H_
#define FEDERITY_SERVER_ROUNDS_STATISTICS_COHORT_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/statistics/statistics_run.h"
#include "server/store/database.h"

namespace federity::rounds {

// Who takes part in a statistics run: chosen among the same candidates and by the
// same rule as a round's cohort.

// Starts a run. statistics::StartRun's errors; TOO_FEW_MEMBERS has the list.
absl::StatusOr<statistics::RunRow> StartStatistics(store::Transaction& transaction,
                                                   std::string_view repository,
                                                   std::string_view creator, absl::Time now);

// Whom a run that recruits asks, if its time has come: see DecideRecruiting.
absl::StatusOr<statistics::Recruited> RecruitForStatistics(store::Transaction& transaction,
                                                           const statistics::RunRow& run,
                                                           absl::Duration grace, absl::Time now);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_STATISTICS_COHORT_H_
