#ifndef FEDERITY_SERVER_REPOSITORIES_PLANS_H_
#define FEDERITY_SERVER_REPOSITORIES_PLANS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/plan/plan.h"
#include "common/plan/standardisation.h"
#include "server/store/database.h"

namespace federity::repositories {

// Plans and standardisations of a repository, by digest. All functions work
// within the caller's transaction.

struct PlanRow {
  std::string digest;   // "sha256:…"
  std::string toml;     // canonical
  std::string creator;  // member's resource name; empty: none
  absl::Time created_at;

  absl::StatusOr<Plan> Parse() const;
};

// The plan in force. NOT_FOUND if the repository is gone.
absl::StatusOr<PlanRow> CurrentPlan(store::Transaction& transaction, std::string_view repository);
// Takes "sha256:…" or its digits alone; NOT_FOUND.
absl::StatusOr<PlanRow> GetPlan(store::Transaction& transaction, std::string_view repository,
                                std::string_view digest);
// Newest first, those after the plan `after` (a digest; empty: from the start).
absl::StatusOr<std::vector<PlanRow>> ListPlans(store::Transaction& transaction,
                                               std::string_view repository, std::string_view after,
                                               int limit);

// Puts a plan in force and wakes watchers. ROUND_IN_PROGRESS while a round runs.
// Where the new plan means other inputs, the standardisation in force goes.
absl::StatusOr<PlanRow> SetPlan(store::Transaction& transaction, std::string_view repository,
                                const Plan& plan, const std::optional<std::string>& creator,
                                absl::Time now);

// Whether a standardisation made under `before` is of use under `after`.
bool SameStandardisationInputs(const Plan& before, const Plan& after);

struct StandardisationRow {
  std::string digest;
  StandardisationValues values;
  std::string signature;
  absl::Time created_at;
};

// The one in force; nullopt for none.
absl::StatusOr<std::optional<StandardisationRow>> CurrentStandardisation(
    store::Transaction& transaction, std::string_view repository);
// Takes "sha256:…" or its digits alone; NOT_FOUND.
absl::StatusOr<StandardisationRow> GetStandardisation(store::Transaction& transaction,
                                                      std::string_view repository,
                                                      std::string_view digest);
// Stores it (once) and puts it in force; returns its digest.
absl::StatusOr<std::string> SetStandardisation(store::Transaction& transaction,
                                               std::string_view repository,
                                               const StandardisationValues& values,
                                               std::string_view signature, absl::Time now);

}  // namespace federity::repositories

#endif  // FEDERITY_SERVER_REPOSITORIES_PLANS_H_
