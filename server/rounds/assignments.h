#ifndef FEDERITY_SERVER_ROUNDS_ASSIGNMENTS_H_
#define FEDERITY_SERVER_ROUNDS_ASSIGNMENTS_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/repositories/commits.h"
#include "server/repositories/plans.h"
#include "server/rounds/round_store.h"
#include "server/statistics/statistics_run.h"
#include "server/store/database.h"

namespace federity::rounds {

// Everything that a repository has for its agents, read in one go, so that one
// look serves all of its streams.
struct RepositoryWork {
  std::string repository_name;
  // What an operator has to approve.
  std::string plan_digest;
  std::optional<repositories::CommitRow> head;
  std::optional<repositories::StandardisationRow> standardisation;  // in force

  // The round in TRAINING, and what its members still have to do.
  struct Training {
    RoundRow round;
    repositories::CommitRow base;
    std::string plan_toml;
    std::optional<repositories::StandardisationRow> standardisation;
    std::map<std::string, std::string> contributions;  // member → contribution id
  };
  std::optional<Training> training;

  // The run that collects, and who has not answered.
  struct Statistics {
    statistics::RunRow run;
    std::string plan_toml;
    std::set<std::string> members;
  };
  std::optional<Statistics> statistics;

  // The head, where a series ended with it: its cohort measures it once.
  struct Evaluation {
    std::string plan_toml;
    std::optional<repositories::StandardisationRow> standardisation;
    std::set<std::string> members;
  };
  std::optional<Evaluation> evaluation;  // of `head`
};

// Those of the cohort that made this commit who have not measured it; none while
// its series goes on, or once its measurements are closed (evaluations.h).
absl::StatusOr<std::set<std::string>> MembersToMeasure(store::Transaction& transaction,
                                                       std::string_view repository,
                                                       const repositories::CommitRow& commit);

// NOT_FOUND once the repository is deleted.
absl::StatusOr<RepositoryWork> ReadWork(store::Transaction& transaction,
                                        std::string_view repository);

// What ended without its member's doing.
struct Ended {
  std::map<std::string, std::string> contributions;   // id → why
  std::set<std::pair<int64_t, std::string>> answers;  // run and member that did not answer
};
// Of these contributions and runs of a repository.
absl::StatusOr<Ended> EndedByOthers(store::Transaction& transaction, std::string_view repository,
                                    const std::vector<std::string>& contributions,
                                    const std::set<int64_t>& runs);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_ASSIGNMENTS_H_
