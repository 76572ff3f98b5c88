#include "server/statistics/statistics_run.h"

#include <algorithm>
#include <set>

#include "common/base/errors.h"
#include "common/base/resource_name.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/aead.h"
#include "common/plan/standardisation.h"
#include "server/audit/audit_log.h"
#include "server/membership/conversions.h"
#include "server/repositories/plans.h"
#include "server/repositories/repositories.h"

namespace federity::statistics {
namespace {

// Whoever starts or ends something wakes the round workers by this.
constexpr std::string_view kWorkerTopic = "rounds";
constexpr size_t kMaxReasonBytes = 2000;

constexpr char kSelectRuns[] =
    "SELECT s.repository, p.organization, p.name, s.number, s.state, s.plan_digest, "
    "s.standardisation_digest, s.failure, s.created_at, s.deadline, s.recruiting, "
    "s.failure_members, "
    "(SELECT count(*) FROM statistics_answers a WHERE a.repository = s.repository AND "
    " a.run = s.number), "
    "(SELECT count(*) FROM statistics_answers a WHERE a.repository = s.repository AND "
    " a.run = s.number AND a.answered_at IS NOT NULL AND a.abstained = ''), "
    "(SELECT count(*) FROM statistics_answers a WHERE a.repository = s.repository AND "
    " a.run = s.number AND a.abstained <> '') "
    "FROM statistics_runs s JOIN repositories p ON p.id = s.repository ";

RunRow ReadRun(const store::Row& row) {
  RunRow run;
  run.repository = row.Text(0);
  run.organization = row.Text(1);
  ResourceName name;
  name.organization = row.Text(1);
  name.repository = row.Text(2);
  run.repository_name = name.repository_name();
  run.number = row.Int(3);
  run.state = static_cast<v1::StatisticsRun::State>(row.Int(4));
  run.plan_digest = row.Text(5);
  run.standardisation_digest = row.OptionalText(6);
  run.failure = row.Text(7);
  run.created = row.Time(8);
  run.deadline = row.Time(9);
  run.recruiting = row.Bool(10);
  run.failure_members = row.Text(11);
  run.asked = row.Int(12);
  run.answered = row.Int(13);
  run.abstained = row.Int(14);
  return run;
}

absl::Status CheckPlan(const Plan& plan) {
  if (plan.data.kind == Plan::DataKind::kTable &&
      plan.data.standardise == Plan::Standardise::kFederated) {
    return absl::OkStatus();
  }
  return Error(v1::ERROR_REASON_PLAN_INVALID,
               "The plan does not standardise by federated statistics: set data.standardise = "
               "\"federated\" first.",
               {{"key", "data.standardise"}});
}

absl::Status CheckNoRunCollects(store::Transaction& transaction, std::string_view repository) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> running,
      transaction.QueryOptional(
          "SELECT number FROM statistics_runs WHERE repository = $1 AND state = 1",
          store::Params().Text(repository)));
  if (!running.has_value()) return absl::OkStatus();
  return Error(v1::ERROR_REASON_ROUND_IN_PROGRESS,
               StrCat("Statistics run ", running->Int(0), " is collecting; wait for its end."),
               {{"run", StrCat(running->Int(0))}});
}

absl::StatusOr<Plan> PlanOf(store::Transaction& transaction, std::string_view repository,
                            std::string_view digest) {
  FEDERITY_ASSIGN_OR_RETURN(const repositories::PlanRow row,
                            repositories::GetPlan(transaction, repository, digest));
  return row.Parse();
}

// Deleted rows stay in PostgreSQL's files for long, so sums are never there in
// the clear.
std::string SumsLabel(std::string_view repository, int64_t run, std::string_view member) {
  return StrCat("federity/statistics/v1\n", repository, "\n", run, "\n", member);
}

std::vector<FixedFeatureSums> SumsOf(const v1::SubmitStatisticsRequest& request) {
  std::vector<FixedFeatureSums> sums;
  for (const v1::FeatureSums& feature : request.features()) {
    sums.push_back({feature.sum(), feature.sum_of_squares(), feature.count()});
  }
  return sums;
}

// The sums of a request; an empty result is an abstention.
absl::StatusOr<std::vector<FixedFeatureSums>> ReadRequest(
    const v1::SubmitStatisticsRequest& request, size_t features) {
  std::vector<FixedFeatureSums> sums = SumsOf(request);
  if (sums.empty()) return sums;
  if (sums.size() != features) {
    return InvalidArgument("features", StrCat("must be one for each of the plan's ", features,
                                              " features, got ", sums.size()));
  }
  for (const FixedFeatureSums& feature : sums) {
    if (feature.count < kMinRows) return std::vector<FixedFeatureSums>();
  }
  // On its own each answer must make sense, or it would spoil the others'.
  const absl::Status possible = FreezeStandardisation({sums}, features).status();
  if (!possible.ok()) return InvalidArgument("features", ToStd(possible.message()));
  return sums;
}

}  // namespace

std::string RunRow::name() const { return StrCat(repository_name, "/statistics/", number); }

absl::StatusOr<RunRow> StartRun(store::Transaction& transaction, std::string_view repository,
                                int64_t organizations, std::string_view creator, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(
      const repositories::RepositoryRow row,
      repositories::GetRepository(transaction, repository, repositories::Lock::kForUpdate));
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, PlanOf(transaction, repository, row.plan_digest));
  FEDERITY_RETURN_IF_ERROR(CheckPlan(plan));
  FEDERITY_RETURN_IF_ERROR(CheckNoRunCollects(transaction, repository));
  if (organizations < plan.round.min_contributions) {
    return Error(
        v1::ERROR_REASON_TOO_FEW_MEMBERS,
        StrCat("Statistics need the sums of ", plan.round.min_contributions,
               " organisations; agents of ", organizations, " could ever take part."),
        {{"required", StrCat(plan.round.min_contributions)}, {"possible", StrCat(organizations)}});
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Row inserted,
      transaction.QueryOne(
          "INSERT INTO statistics_runs (repository, number, state, recruiting, plan_digest, "
          "creator, created_at, due_at, deadline) "
          "SELECT $1, coalesce(max(number), 0) + 1, 1, true, $2, $3, $4, $4, $5 FROM "
          "statistics_runs WHERE repository = $1 RETURNING number",
          store::Params()
              .Text(repository)
              .Text(row.plan_digest)
              .Text(creator)
              .Time(now)
              .Time(now + std::min(plan.round.recruit_deadline, kRecruitTime))));
  FEDERITY_RETURN_IF_ERROR(transaction.Notify(kWorkerTopic));
  return GetRun(transaction, repository, inserted.Int(0));
}

absl::StatusOr<RunRow> GetRun(store::Transaction& transaction, std::string_view repository,
                              int64_t number) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(
          StrCat(kSelectRuns,
                 "WHERE s.repository = $1 AND ($2::bigint = 0 OR s.number = $2::bigint) "
                 "ORDER BY s.number DESC LIMIT 1"),
          store::Params().Text(repository).Int(number)));
  if (!row.has_value()) return NotFound("the statistics run");
  return ReadRun(*row);
}

absl::Status SubmitAnswer(store::Transaction& transaction, std::string_view repository,
                          std::string_view member, int64_t number,
                          const v1::SubmitStatisticsRequest& request,
                          const crypto::Secret& key_file, absl::Time now) {
  if (!membership::IsPlainText(request.abstain_reason(), kMaxReasonBytes)) {
    return InvalidArgument("abstain_reason", "must be plain text of at most 500 characters");
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> run,
      transaction.QueryOptional("SELECT state, deadline, plan_digest FROM statistics_runs "
                                "WHERE repository = $1 AND number = $2 FOR UPDATE",
                                store::Params().Text(repository).Int(number)));
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> answer,
      transaction.QueryOptional("SELECT answered_at IS NOT NULL FROM statistics_answers "
                                "WHERE repository = $1 AND run = $2 AND member = $3",
                                store::Params().Text(repository).Int(number).Text(member)));
  if (!run.has_value() || !answer.has_value()) return NotFound("the statistics run");
  if (answer->Bool(0)) {
    return Error(v1::ERROR_REASON_CONTRIBUTION_DUPLICATE,
                 StrCat("Statistics run ", number, " has this member's answer already."));
  }
  if (run->Int(0) != v1::StatisticsRun::COLLECTING || now >= run->Time(1)) {
    return Error(v1::ERROR_REASON_CONTRIBUTION_LATE, StrCat("Statistics run ", number, " ended."));
  }
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, PlanOf(transaction, repository, run->Text(2)));
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<FixedFeatureSums> sums,
                            ReadRequest(request, plan.data.features.size()));
  store::Params params;
  params.Text(repository).Int(number).Text(member).Time(now);
  if (!sums.empty()) {
    v1::SubmitStatisticsRequest kept;
    *kept.mutable_features() = request.features();
    params.Text("").Bytes(crypto::WrapSecret(key_file, SumsLabel(repository, number, member),
                                             crypto::Secret(kept.SerializeAsString())));
  } else {
    params.Text(request.abstain_reason().empty() ? StrCat("fewer than ", kMinRows, " rows")
                                                 : request.abstain_reason());
    params.Null();
  }
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE statistics_answers SET answered_at = $4, abstained = $5, sums = $6 "
                   "WHERE repository = $1 AND run = $2 AND member = $3",
                   params)
          .status());
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE statistics_runs SET due_at = $3 WHERE repository = $1 AND number = $2 "
                   "AND NOT EXISTS (SELECT 1 FROM statistics_answers WHERE repository = $1 AND "
                   "run = $2 AND answered_at IS NULL)",
                   store::Params().Text(repository).Int(number).Time(now))
          .status());
  FEDERITY_RETURN_IF_ERROR(transaction.Notify(repositories::RepositoryTopic(repository)));
  return transaction.Notify(kWorkerTopic);
}

namespace {

absl::Status SetDue(store::Transaction& transaction, const RunRow& run, absl::Time due) {
  return transaction
      .Execute("UPDATE statistics_runs SET due_at = $3 WHERE repository = $1 AND number = $2",
               store::Params().Text(run.repository).Int(run.number).Time(due))
      .status();
}

absl::Status Ask(store::Transaction& transaction, const RunRow& run,
                 const std::vector<Asked>& asked, absl::Time now) {
  for (const Asked& agent : asked) {
    FEDERITY_RETURN_IF_ERROR(
        transaction
            .Execute("INSERT INTO statistics_answers (repository, run, member) VALUES ($1, $2, $3)",
                     store::Params().Text(run.repository).Int(run.number).Text(agent.member))
            .status());
  }
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE statistics_runs SET recruiting = false, due_at = $3, deadline = $3 "
                   "WHERE repository = $1 AND number = $2",
                   store::Params().Text(run.repository).Int(run.number).Time(now + kRunTime))
          .status());
  return transaction.Notify(repositories::RepositoryTopic(run.repository));
}

absl::StatusOr<bool> AllAnswered(store::Transaction& transaction, const RunRow& run) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> open,
      transaction.QueryOptional("SELECT 1 FROM statistics_answers WHERE repository = $1 AND "
                                "run = $2 AND answered_at IS NULL LIMIT 1",
                                store::Params().Text(run.repository).Int(run.number)));
  return !open.has_value();
}

// The frozen values, or why there are none (FAILED_PRECONDITION).
absl::StatusOr<StandardisationValues> Freeze(store::Transaction& transaction, const RunRow& run,
                                             const crypto::Secret& key_file) {
  const absl::StatusOr<repositories::PlanRow> plan_row =
      repositories::CurrentPlan(transaction, run.repository);
  if (absl::IsNotFound(plan_row.status())) {
    return absl::FailedPreconditionError("the repository was deleted");
  }
  FEDERITY_RETURN_IF_ERROR(plan_row.status());
  if (plan_row->digest != run.plan_digest) {
    return absl::FailedPreconditionError("the plan was changed while sums were collected");
  }
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, plan_row->Parse());
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute("SELECT m.organization, a.sums, a.member FROM statistics_answers a "
                          "JOIN members m ON m.id = a.member WHERE a.repository = $1 "
                          "AND a.run = $2 AND a.sums IS NOT NULL ORDER BY a.member",
                          store::Params().Text(run.repository).Int(run.number)));
  std::set<std::string> organizations;
  std::vector<std::vector<FixedFeatureSums>> contributions;
  for (const store::Row& row : rows) {
    organizations.insert(row.Text(0));
    FEDERITY_ASSIGN_OR_RETURN(
        const crypto::Secret sums,
        crypto::UnwrapSecret(key_file, SumsLabel(run.repository, run.number, row.Text(2)),
                             row.Bytes(1)));
    v1::SubmitStatisticsRequest kept;
    if (!kept.ParseFromString(std::string(sums.view())))
      return absl::InternalError("kept sums do not parse");
    contributions.push_back(SumsOf(kept));
  }
  const auto answered = static_cast<int64_t>(organizations.size());
  if (answered < plan.round.min_contributions) {
    return absl::FailedPreconditionError(
        StrCat(answered, " organisations gave sums and ", plan.round.min_contributions,
               " are needed (of ", run.asked, " agents asked, ", run.abstained, " abstained)"));
  }
  absl::StatusOr<StandardisationValues> values =
      FreezeStandardisation(contributions, plan.data.features.size());
  if (!values.ok()) return absl::FailedPreconditionError(values.status().message());
  values->contributors = static_cast<int32_t>(answered);
  return values;
}

absl::Status EndRun(store::Transaction& transaction, const RunRow& run,
                    const std::optional<std::string>& digest, std::string_view failure,
                    std::string_view failure_members, absl::Time now) {
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute(
              "UPDATE statistics_runs SET state = $3, standardisation_digest = $4, "
              "failure = $5, failure_members = $6 WHERE repository = $1 AND number = $2",
              store::Params()
                  .Text(run.repository)
                  .Int(run.number)
                  .Int(digest.has_value() ? v1::StatisticsRun::FROZEN : v1::StatisticsRun::FAILED)
                  .OptionalText(digest)
                  .Text(failure)
                  .Text(failure_members))
          .status());
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE statistics_answers SET sums = NULL WHERE repository = $1 AND run = $2",
                   store::Params().Text(run.repository).Int(run.number))
          .status());
  audit::Event event;
  event.time = now;
  event.actor = std::string(audit::kCoordinator);
  event.scope_organization = run.organization;
  event.scope_repository = run.repository;
  event.action = "EndStatistics";
  event.resource = run.name();
  if (digest.has_value()) {
    event.details = {{"standardisation", *digest}};
  } else {
    event.outcome = "FAILED";
    event.details = {{"failure", std::string(failure)}};
  }
  FEDERITY_RETURN_IF_ERROR(audit::Append(transaction, event));
  return transaction.Notify(repositories::RepositoryTopic(run.repository));
}

}  // namespace

absl::StatusOr<bool> StepRun(store::Transaction& transaction, const Recruit& recruit,
                             const Sign& sign, const crypto::Secret& key_file, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(StrCat(kSelectRuns,
                                       "WHERE s.state = 1 AND s.due_at <= $1 ORDER BY s.due_at "
                                       "LIMIT 1 FOR UPDATE OF s SKIP LOCKED"),
                                store::Params().Time(now)));
  if (!row.has_value()) return false;
  const RunRow run = ReadRun(*row);
  if (run.recruiting) {
    FEDERITY_ASSIGN_OR_RETURN(const Recruited recruited, recruit(transaction, run));
    if (recruited.look_again.has_value()) {
      FEDERITY_RETURN_IF_ERROR(SetDue(transaction, run, *recruited.look_again));
    } else if (recruited.asked.empty()) {
      FEDERITY_RETURN_IF_ERROR(EndRun(transaction, run, std::nullopt, recruited.failure,
                                      recruited.failure_members, now));
    } else {
      FEDERITY_RETURN_IF_ERROR(Ask(transaction, run, recruited.asked, now));
    }
    return true;
  }
  FEDERITY_ASSIGN_OR_RETURN(const bool all_answered, AllAnswered(transaction, run));
  if (!all_answered && now < run.deadline) {
    FEDERITY_RETURN_IF_ERROR(SetDue(transaction, run, run.deadline));
    return true;
  }
  const absl::StatusOr<StandardisationValues> values = Freeze(transaction, run, key_file);
  if (absl::IsFailedPrecondition(values.status())) {
    FEDERITY_RETURN_IF_ERROR(
        EndRun(transaction, run, std::nullopt, ToStd(values.status().message()), "", now));
    return true;
  }
  FEDERITY_RETURN_IF_ERROR(values.status());
  const std::string signature = sign(kStandardisationLabel, StandardisationDigest(*values).view());
  FEDERITY_ASSIGN_OR_RETURN(
      const std::string digest,
      repositories::SetStandardisation(transaction, run.repository, *values, signature, now));
  FEDERITY_RETURN_IF_ERROR(EndRun(transaction, run, digest, "", "", now));
  return true;
}

absl::StatusOr<std::optional<absl::Time>> NextDue(store::Transaction& transaction) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Row row,
      transaction.QueryOne("SELECT min(due_at) FROM statistics_runs WHERE state = 1"));
  return row.OptionalTime(0);
}

absl::Status FailRuns(store::Transaction& transaction, std::string_view failure, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute(StrCat(kSelectRuns, "WHERE s.state = 1 FOR UPDATE OF s")));
  for (const store::Row& row : rows) {
    FEDERITY_RETURN_IF_ERROR(EndRun(transaction, ReadRun(row), std::nullopt, failure, "", now));
  }
  return absl::OkStatus();
}

absl::Status RewrapSums(store::Transaction& transaction, const crypto::Secret& old_key_file,
                        const crypto::Secret& new_key_file) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute("SELECT repository, run, member, sums FROM statistics_answers WHERE "
                          "sums IS NOT NULL FOR UPDATE"));
  for (const store::Row& row : rows) {
    const std::string label = SumsLabel(row.Text(0), row.Int(1), row.Text(2));
    FEDERITY_ASSIGN_OR_RETURN(const crypto::Secret sums,
                              crypto::UnwrapSecret(old_key_file, label, row.Bytes(3)));
    FEDERITY_RETURN_IF_ERROR(
        transaction
            .Execute("UPDATE statistics_answers SET sums = $4 WHERE repository = $1 AND run = $2 "
                     "AND member = $3",
                     store::Params()
                         .Text(row.Text(0))
                         .Int(row.Int(1))
                         .Text(row.Text(2))
                         .Bytes(crypto::WrapSecret(new_key_file, label, sums)))
            .status());
  }
  return absl::OkStatus();
}

}  // namespace federity::statistics
