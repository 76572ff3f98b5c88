#include "server/api/assignment_events.h"

#include "common/base/strings.h"
#include "server/api/converters_repositories.h"
#include "server/membership/conversions.h"

namespace federity::api {

v1::RepositoryState ToRepositoryState(const rounds::RepositoryWork& work) {
  v1::RepositoryState state;
  state.set_name(work.repository_name);
  state.set_plan_digest(work.plan_digest);
  if (work.head.has_value()) {
    state.set_program_digest(work.head->program_digest);
    state.set_head(NameByDigest(work.repository_name, "commits", work.head->digest));
  }
  if (work.standardisation.has_value()) {
    *state.mutable_standardisation() = ToProto(*work.standardisation, work.repository_name);
  }
  return state;
}

v1::TrainingAssignment ToTraining(const rounds::RepositoryWork::Training& training,
                                  std::string_view contribution) {
  const rounds::RoundRow& round = training.round;
  v1::TrainingAssignment assignment;
  assignment.set_contribution(StrCat(round.name(), "/contributions/", contribution));
  *assignment.mutable_base_commit() =
      ToProto(training.base, round.repository_name, /*exact_examples=*/false);
  assignment.set_plan_toml(training.plan_toml);
  if (training.standardisation.has_value()) {
    *assignment.mutable_standardisation() =
        ToProto(*training.standardisation, round.repository_name);
  }
  assignment.set_seed(round.seed);
  if (round.deadline.has_value()) {
    membership::SetTimestamp(*round.deadline, assignment.mutable_deadline());
  }
  return assignment;
}

v1::StatisticsAssignment ToStatistics(const rounds::RepositoryWork::Statistics& statistics) {
  v1::StatisticsAssignment assignment;
  assignment.set_run(statistics.run.name());
  assignment.set_plan_toml(statistics.plan_toml);
  assignment.set_min_rows(statistics::kMinRows);
  return assignment;
}

v1::EvaluationAssignment ToEvaluation(const rounds::RepositoryWork& work) {
  v1::EvaluationAssignment assignment;
  *assignment.mutable_commit() =
      ToProto(*work.head, work.repository_name, /*exact_examples=*/false);
  assignment.set_plan_toml(work.evaluation->plan_toml);
  if (work.evaluation->standardisation.has_value()) {
    *assignment.mutable_standardisation() =
        ToProto(*work.evaluation->standardisation, work.repository_name);
  }
  return assignment;
}

}  // namespace federity::api
