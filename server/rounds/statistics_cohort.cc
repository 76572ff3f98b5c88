#include "server/rounds/statistics_cohort.h"

#include <string>
#include <utility>
#include <vector>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/repositories/commits.h"
#include "server/repositories/plans.h"
#include "server/repositories/repositories.h"
#include "server/rounds/candidates.h"
#include "server/rounds/round_decisions.h"

namespace federity::rounds {
namespace {

// Held against the plan and the head's program: a standardisation is for the
// next round.
absl::StatusOr<std::vector<Candidate>> Candidates(store::Transaction& transaction,
                                                  std::string_view repository,
                                                  std::string_view plan_digest, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(const repositories::RepositoryRow row,
                            repositories::GetRepository(transaction, repository));
  std::string program_digest;
  if (row.head.has_value()) {
    FEDERITY_ASSIGN_OR_RETURN(const repositories::CommitRow head,
                              repositories::GetCommit(transaction, repository, *row.head));
    program_digest = head.program_digest;
  }
  return ListCandidates(transaction, repository, plan_digest, program_digest, now);
}

}  // namespace

absl::StatusOr<statistics::RunRow> StartStatistics(store::Transaction& transaction,
                                                   std::string_view repository,
                                                   std::string_view creator, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(const repositories::RepositoryRow row,
                            repositories::GetRepository(transaction, repository));
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<Candidate> candidates,
                            Candidates(transaction, repository, row.plan_digest, now));
  absl::StatusOr<statistics::RunRow> run = statistics::StartRun(
      transaction, repository, CountOrganizations(candidates, /*only_ready=*/false), creator, now);
  if (ReasonOf(run.status()) != v1::ERROR_REASON_TOO_FEW_MEMBERS) return run;
  ErrorMetadata metadata = MetadataOf(run.status());
  metadata["members"] = DescribeCandidates(candidates);
  return Error(v1::ERROR_REASON_TOO_FEW_MEMBERS,
               StrCat(run.status().message(), " Members: ", metadata["members"], "."), metadata);
}

absl::StatusOr<statistics::Recruited> RecruitForStatistics(store::Transaction& transaction,
                                                           const statistics::RunRow& run,
                                                           absl::Duration grace, absl::Time now) {
  statistics::Recruited recruited;
  const absl::StatusOr<std::vector<Candidate>> candidates =
      Candidates(transaction, run.repository, run.plan_digest, now);
  if (absl::IsNotFound(candidates.status())) {
    recruited.failure = "the repository was deleted";
    return recruited;
  }
  FEDERITY_RETURN_IF_ERROR(candidates.status());
  FEDERITY_ASSIGN_OR_RETURN(const repositories::PlanRow plan_row,
                            repositories::GetPlan(transaction, run.repository, run.plan_digest));
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, plan_row.Parse());
  const RecruitingDecision decision =
      DecideRecruiting({.created = run.created,
                        .recruit_deadline = run.deadline,
                        .min_contributions = plan.round.min_contributions,
                        .recruits = RecruitsOf(*candidates)},
                       now, grace);
  if (!decision.event.has_value()) {
    recruited.look_again = decision.due;
  } else if (*decision.event == RoundEvent::kTooFew) {
    recruited.failure = StrCat("agents of ", CountOrganizations(*candidates, true),
                               " organisations were ready in time and ",
                               plan.round.min_contributions, " are needed");
    recruited.failure_members = DescribeCandidates(*candidates);
  } else {
    for (const Candidate& candidate : *candidates) {
      if (candidate.readiness != Readiness::kReady) continue;
      recruited.asked.push_back({candidate.member});
    }
  }
  return recruited;
}

}  // namespace federity::rounds
