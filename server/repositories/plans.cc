#include "server/repositories/plans.h"

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/repositories/repositories.h"
#include "server/repositories/rows.h"
#include "server/repositories/text.h"

namespace federity::repositories {
namespace {

std::string SelectPlans(std::string_view condition) {
  return StrCat("SELECT p.digest, p.toml, ", kCreatorName,
                ", p.created_at FROM plans p LEFT JOIN members m ON m.id = p.creator "
                "LEFT JOIN repositories mr ON mr.id = m.scope_repository WHERE p.repository = $1 ",
                condition);
}

PlanRow FromRow(const store::Row& row) {
  PlanRow plan;
  plan.digest = row.Text(0);
  plan.toml = row.Text(1);
  plan.creator = row.Text(2);
  plan.created_at = row.Time(3);
  return plan;
}

constexpr char kStandardisationColumns[] =
    "s.digest, array_to_string(s.mean, ','), array_to_string(s.sd, ','), s.examples, "
    "s.contributors, s.signature, s.created_at";

StandardisationRow StandardisationFromRow(const store::Row& row) {
  StandardisationRow result;
  result.digest = row.Text(0);
  result.values.mean = ParseReals(row.Text(1));
  result.values.sd = ParseReals(row.Text(2));
  result.values.examples = row.Int(3);
  result.values.contributors = static_cast<int32_t>(row.Int(4));
  result.signature = row.Bytes(5);
  result.created_at = row.Time(6);
  return result;
}

}  // namespace

absl::StatusOr<Plan> PlanRow::Parse() const { return ParsePlan(toml); }

absl::StatusOr<PlanRow> CurrentPlan(store::Transaction& transaction, std::string_view repository) {
  FEDERITY_ASSIGN_OR_RETURN(
      std::optional<store::Row> row,
      transaction.QueryOptional(SelectPlans("AND p.digest = (SELECT plan_digest FROM repositories "
                                            "WHERE id = $1 AND deleted_at IS NULL)"),
                                store::Params().Text(repository)));
  if (!row.has_value()) return NotFound("the repository");
  return FromRow(*row);
}

absl::StatusOr<PlanRow> GetPlan(store::Transaction& transaction, std::string_view repository,
                                std::string_view digest) {
  FEDERITY_ASSIGN_OR_RETURN(const std::string full, NormaliseDigest(digest));
  FEDERITY_ASSIGN_OR_RETURN(std::optional<store::Row> row,
                            transaction.QueryOptional(SelectPlans("AND p.digest = $2"),
                                                      store::Params().Text(repository).Text(full)));
  if (!row.has_value()) return NotFound(StrCat("the plan ", full));
  return FromRow(*row);
}

absl::StatusOr<std::vector<PlanRow>> ListPlans(store::Transaction& transaction,
                                               std::string_view repository, std::string_view after,
                                               int limit) {
  FEDERITY_ASSIGN_OR_RETURN(
      store::Rows rows,
      transaction.Execute(
          SelectPlans("AND ($2 = '' OR (p.created_at, p.digest) < (SELECT a.created_at, a.digest "
                      "FROM plans a WHERE a.repository = $1 AND a.digest = $2)) "
                      "ORDER BY p.created_at DESC, p.digest DESC LIMIT $3"),
          store::Params().Text(repository).Text(after).Int(limit)));
  std::vector<PlanRow> plans;
  for (const store::Row& row : rows) plans.push_back(FromRow(row));
  return plans;
}

bool SameStandardisationInputs(const Plan& before, const Plan& after) {
  return before.data.kind == after.data.kind && before.data.features == after.data.features &&
         before.data.standardise == after.data.standardise;
}

absl::StatusOr<PlanRow> SetPlan(store::Transaction& transaction, std::string_view repository,
                                const Plan& plan, const std::optional<std::string>& creator,
                                absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(const RepositoryRow row,
                            GetRepository(transaction, repository, Lock::kForUpdate));
  FEDERITY_RETURN_IF_ERROR(CheckNoRoundRuns(transaction, repository));
  FEDERITY_ASSIGN_OR_RETURN(const PlanRow current, CurrentPlan(transaction, repository));
  const std::string digest = PlanDigest(plan).ToString();
  if (digest == row.plan_digest) return current;

  FEDERITY_ASSIGN_OR_RETURN(const Plan before, current.Parse());
  // A plan that was in force before becomes the newest again.
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("INSERT INTO plans (repository, digest, toml, creator, created_at) "
                   "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (repository, digest) DO UPDATE "
                   "SET creator = excluded.creator, created_at = excluded.created_at",
                   store::Params()
                       .Text(repository)
                       .Text(digest)
                       .Text(FormatPlan(plan))
                       .OptionalText(creator)
                       .Time(now))
          .status());
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE repositories SET plan_digest = $2, standardisation_digest = "
                   "CASE WHEN $3::boolean THEN standardisation_digest END WHERE id = $1",
                   store::Params()
                       .Text(repository)
                       .Text(digest)
                       .Bool(SameStandardisationInputs(before, plan)))
          .status());
  FEDERITY_RETURN_IF_ERROR(transaction.Notify(RepositoryTopic(repository)));
  return GetPlan(transaction, repository, digest);
}

absl::StatusOr<std::optional<StandardisationRow>> CurrentStandardisation(
    store::Transaction& transaction, std::string_view repository) {
  FEDERITY_ASSIGN_OR_RETURN(
      std::optional<store::Row> row,
      transaction.QueryOptional(
          StrCat("SELECT ", kStandardisationColumns,
                 " FROM repositories r JOIN standardisations s ON s.repository = r.id AND "
                 "s.digest = r.standardisation_digest WHERE r.id = $1 AND r.deleted_at IS NULL"),
          store::Params().Text(repository)));
  if (!row.has_value()) return std::optional<StandardisationRow>();
  return std::optional<StandardisationRow>(StandardisationFromRow(*row));
}

absl::StatusOr<StandardisationRow> GetStandardisation(store::Transaction& transaction,
                                                      std::string_view repository,
                                                      std::string_view digest) {
  FEDERITY_ASSIGN_OR_RETURN(const std::string full, NormaliseDigest(digest));
  FEDERITY_ASSIGN_OR_RETURN(
      std::optional<store::Row> row,
      transaction.QueryOptional(
          StrCat("SELECT ", kStandardisationColumns,
                 " FROM standardisations s WHERE s.repository = $1 AND s.digest = $2"),
          store::Params().Text(repository).Text(full)));
  if (!row.has_value()) return NotFound(StrCat("the standardisation ", full));
  return StandardisationFromRow(*row);
}

absl::StatusOr<std::string> SetStandardisation(store::Transaction& transaction,
                                               std::string_view repository,
                                               const StandardisationValues& values,
                                               std::string_view signature, absl::Time now) {
  FEDERITY_RETURN_IF_ERROR(GetRepository(transaction, repository, Lock::kForUpdate).status());
  const std::string digest = StandardisationDigest(values).ToString();
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("INSERT INTO standardisations (repository, digest, mean, sd, examples, "
                   "contributors, signature, created_at) VALUES ($1, $2, "
                   "$3::double precision[], $4::double precision[], $5, $6, $7, $8) "
                   "ON CONFLICT (repository, digest) DO NOTHING",
                   store::Params()
                       .Text(repository)
                       .Text(digest)
                       .Text(FormatReals(values.mean))
                       .Text(FormatReals(values.sd))
                       .Int(values.examples)
                       .Int(values.contributors)
                       .Bytes(signature)
                       .Time(now))
          .status());
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE repositories SET standardisation_digest = $2 WHERE id = $1",
                   store::Params().Text(repository).Text(digest))
          .status());
  FEDERITY_RETURN_IF_ERROR(transaction.Notify(RepositoryTopic(repository)));
  return digest;
}

}  // namespace federity::repositories
