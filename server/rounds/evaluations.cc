#include "server/rounds/evaluations.h"

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/rounds/topics.h"

namespace federity::rounds {
namespace {

std::string HasEnough() {
  return StrCat(
      "c.measured_at IS NULL AND (SELECT count(DISTINCT m.organization) FROM evaluations e "
      "JOIN members m ON m.id = e.member WHERE e.repository = c.repository AND "
      "e.commit = c.digest AND e.examples > 0) >= ",
      kMinMeasuringOrganizations);
}

}  // namespace

absl::Status KeepEvaluation(store::Transaction& transaction, const Evaluation& evaluation,
                            absl::Time now) {
  // The lock orders this with a closing.
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> open,
      transaction.QueryOptional(
          "UPDATE commits SET measuring_due_at = coalesce(measuring_due_at, $3) WHERE "
          "repository = $1 AND digest = $2 AND measured_at IS NULL RETURNING 1",
          store::Params()
              .Text(evaluation.repository)
              .Text(evaluation.commit)
              .Time(now + kMeasuringTime)));
  if (!open.has_value()) return absl::OkStatus();
  return transaction
      .Execute(
          "INSERT INTO evaluations (repository, commit, member, examples, loss_sum, "
          "confusion, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) "
          "ON CONFLICT (repository, commit, member) DO UPDATE SET examples = $4, "
          "loss_sum = $5, confusion = $6, created_at = $7",
          store::Params()
              .Text(evaluation.repository)
              .Text(evaluation.commit)
              .Text(evaluation.member)
              .Int(evaluation.examples)
              .Real(evaluation.loss_sum)
              .Text(evaluation.confusion)
              .Time(now))
      .status();
}

absl::Status CloseEvaluations(store::Transaction& transaction, std::string_view repository,
                              std::string_view commit, absl::Time now) {
  return transaction
      .Execute(StrCat("UPDATE commits c SET measured_at = $3, measuring_due_at = NULL "
                      "WHERE c.repository = $1 AND "
                      "c.digest = $2 AND ",
                      HasEnough()),
               store::Params().Text(repository).Text(commit).Time(now))
      .status();
}

absl::StatusOr<bool> CloseWaitingEvaluations(store::Transaction& transaction, absl::Time now) {
  // What can't be closed now is looked at again when another measurement comes.
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows due,
      transaction.Execute("UPDATE commits SET measuring_due_at = NULL WHERE measuring_due_at <= $1 "
                          "RETURNING repository, digest",
                          store::Params().Time(now)));
  for (const store::Row& row : due) {
    FEDERITY_ASSIGN_OR_RETURN(
        const store::Rows closed,
        transaction.Execute(
            StrCat("UPDATE commits c SET measured_at = $3 FROM repositories r WHERE "
                   "r.id = c.repository AND r.head = c.digest AND c.repository = $1 AND "
                   "c.digest = $2 AND NOT EXISTS (SELECT 1 FROM rounds o WHERE "
                   "o.repository = c.repository AND o.ended_at IS NULL) AND ",
                   HasEnough(), " RETURNING c.repository"),
            store::Params().Text(row.Text(0)).Text(row.Text(1)).Time(now)));
    if (closed.empty()) continue;
    FEDERITY_RETURN_IF_ERROR(transaction.Notify(ProgressTopic(row.Text(0))));
  }
  return !due.empty();
}

absl::StatusOr<std::optional<absl::Time>> NextEvaluationsDue(store::Transaction& transaction) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Row row,
      transaction.QueryOne("SELECT min(measuring_due_at) FROM commits WHERE "
                           "measuring_due_at IS NOT NULL"));
  return row.OptionalTime(0);
}

}  // namespace federity::rounds
