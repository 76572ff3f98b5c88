#include "server/rounds/assignments.h"

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/repositories/repositories.h"
#include "server/rounds/agents.h"

namespace federity::rounds {
namespace {

absl::StatusOr<std::string> PlanToml(store::Transaction& transaction, std::string_view repository,
                                     std::string_view digest) {
  FEDERITY_ASSIGN_OR_RETURN(repositories::PlanRow plan,
                            repositories::GetPlan(transaction, repository, digest));
  return std::move(plan.toml);
}

absl::StatusOr<std::optional<repositories::StandardisationRow>> StandardisationOf(
    store::Transaction& transaction, std::string_view repository,
    const std::optional<std::string>& digest) {
  if (!digest.has_value()) return std::optional<repositories::StandardisationRow>();
  FEDERITY_ASSIGN_OR_RETURN(repositories::StandardisationRow row,
                            repositories::GetStandardisation(transaction, repository, *digest));
  return std::optional(std::move(row));
}

absl::Status ReadTraining(store::Transaction& transaction, std::string_view repository,
                          RepositoryWork& work) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(StrCat(kSelectRounds, "WHERE r.repository = $1 AND r.state = 2"),
                                store::Params().Text(repository)));
  if (!row.has_value()) return absl::OkStatus();
  RepositoryWork::Training training;
  training.round = ReadRound(*row);
  const RoundRow& round = training.round;
  FEDERITY_ASSIGN_OR_RETURN(training.base,
                            repositories::GetCommit(transaction, repository, round.base_commit));
  FEDERITY_ASSIGN_OR_RETURN(training.plan_toml,
                            PlanToml(transaction, repository, round.plan_digest));
  FEDERITY_ASSIGN_OR_RETURN(
      training.standardisation,
      StandardisationOf(transaction, repository, round.standardisation_digest));
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows open,
      transaction.Execute("SELECT member, id FROM contributions WHERE repository = $1 "
                          "AND round = $2 AND state IN (1, 2)",
                          store::Params().Text(repository).Int(round.number)));
  for (const store::Row& contribution : open) {
    training.contributions[contribution.Text(0)] = contribution.Text(1);
  }
  work.training = std::move(training);
  return absl::OkStatus();
}

absl::Status ReadStatistics(store::Transaction& transaction, std::string_view repository,
                            RepositoryWork& work) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute("SELECT a.run, a.member FROM statistics_answers a JOIN statistics_runs s "
                          "ON s.repository = a.repository AND s.number = a.run "
                          "WHERE s.repository = $1 AND s.state = 1 AND a.answered_at IS NULL",
                          store::Params().Text(repository)));
  if (rows.empty()) return absl::OkStatus();
  RepositoryWork::Statistics statistics;
  FEDERITY_ASSIGN_OR_RETURN(statistics.run,
                            statistics::GetRun(transaction, repository, rows[0].Int(0)));
  FEDERITY_ASSIGN_OR_RETURN(statistics.plan_toml,
                            PlanToml(transaction, repository, statistics.run.plan_digest));
  for (const store::Row& row : rows) statistics.members.insert(row.Text(1));
  work.statistics = std::move(statistics);
  return absl::OkStatus();
}

absl::Status ReadEvaluation(store::Transaction& transaction, std::string_view repository,
                            RepositoryWork& work) {
  if (!work.head.has_value()) return absl::OkStatus();
  RepositoryWork::Evaluation evaluation;
  FEDERITY_ASSIGN_OR_RETURN(evaluation.members,
                            MembersToMeasure(transaction, repository, *work.head));
  if (evaluation.members.empty()) return absl::OkStatus();
  FEDERITY_ASSIGN_OR_RETURN(evaluation.plan_toml,
                            PlanToml(transaction, repository, work.head->plan_digest));
  FEDERITY_ASSIGN_OR_RETURN(
      evaluation.standardisation,
      StandardisationOf(transaction, repository, work.head->standardisation_digest));
  work.evaluation = std::move(evaluation);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::set<std::string>> MembersToMeasure(store::Transaction& transaction,
                                                       std::string_view repository,
                                                       const repositories::CommitRow& commit) {
  std::set<std::string> members;
  if (!commit.round.has_value() || commit.metrics.has_value()) return members;
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute(
          "SELECT c.member FROM contributions c JOIN rounds r ON r.repository = c.repository AND "
          "r.number = c.round JOIN series s ON s.id = r.series JOIN members m ON m.id = c.member "
          "WHERE c.repository = $1 AND c.round = $2 AND s.ended_at IS NOT NULL AND "
          "m.removed_at IS NULL AND NOT EXISTS (SELECT 1 FROM evaluations e "
          "WHERE e.repository = c.repository AND e.commit = $3 AND e.member = c.member)",
          store::Params().Text(repository).Int(*commit.round).Text(commit.digest)));
  for (const store::Row& row : rows) members.insert(row.Text(0));
  return members;
}

absl::StatusOr<RepositoryWork> ReadWork(store::Transaction& transaction,
                                        std::string_view repository) {
  FEDERITY_ASSIGN_OR_RETURN(const repositories::RepositoryRow row,
                            repositories::GetRepository(transaction, repository));
  RepositoryWork work;
  work.repository_name = row.resource_name();
  work.plan_digest = row.plan_digest;
  if (row.head.has_value()) {
    FEDERITY_ASSIGN_OR_RETURN(work.head,
                              repositories::GetCommit(transaction, repository, *row.head));
  }
  FEDERITY_ASSIGN_OR_RETURN(work.standardisation,
                            StandardisationOf(transaction, repository, row.standardisation_digest));
  FEDERITY_RETURN_IF_ERROR(ReadTraining(transaction, repository, work));
  FEDERITY_RETURN_IF_ERROR(ReadStatistics(transaction, repository, work));
  FEDERITY_RETURN_IF_ERROR(ReadEvaluation(transaction, repository, work));
  return work;
}

absl::StatusOr<Ended> EndedByOthers(store::Transaction& transaction, std::string_view repository,
                                    const std::vector<std::string>& contributions,
                                    const std::set<int64_t>& runs) {
  Ended ended;
  if (!contributions.empty()) {
    // What a member gives up itself has no reason of the catalogue.
    FEDERITY_ASSIGN_OR_RETURN(
        const store::Rows rows,
        transaction.Execute("SELECT id, refusal FROM contributions WHERE id = ANY($1::uuid[]) "
                            "AND submitted_at IS NULL AND state IN (5, 6) AND refusal_reason <> ''",
                            store::Params().Text(UuidArray(contributions))));
    for (const store::Row& row : rows) ended.contributions[row.Text(0)] = row.Text(1);
  }
  for (const int64_t run : runs) {
    FEDERITY_ASSIGN_OR_RETURN(
        const store::Rows rows,
        transaction.Execute("SELECT a.member FROM statistics_answers a JOIN statistics_runs s "
                            "ON s.repository = a.repository AND s.number = a.run "
                            "WHERE a.repository = $1 AND a.run = $2 AND a.answered_at IS NULL "
                            "AND s.state <> 1",
                            store::Params().Text(repository).Int(run)));
    for (const store::Row& row : rows) ended.answers.insert({run, row.Text(0)});
  }
  return ended;
}

}  // namespace federity::rounds
