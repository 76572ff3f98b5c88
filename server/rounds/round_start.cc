#include "server/rounds/round_start.h"

#include <cstring>
#include <limits>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/secret.h"
#include "common/plan/plan.h"
#include "common/tensor/plain_delta.h"
#include "server/repositories/commits.h"
#include "server/repositories/plans.h"
#include "server/repositories/repositories.h"
#include "server/rounds/candidates.h"
#include "server/rounds/topics.h"

namespace federity::rounds {
namespace {

constexpr int64_t kMaxSeries = 10'000;

// What a new round is made from.
struct Basis {
  std::string head;
  std::string plan_digest;
  std::optional<std::string> standardisation_digest;
  Plan plan;
};

absl::StatusOr<Basis> ReadBasis(store::Transaction& transaction, std::string_view repository) {
  FEDERITY_ASSIGN_OR_RETURN(
      const repositories::RepositoryRow row,
      repositories::GetRepository(transaction, repository, repositories::Lock::kForUpdate));
  if (!row.head.has_value()) {
    return Error(v1::ERROR_REASON_ROUND_STATE,
                 "The repository has no model yet: push one before a round is started.",
                 {{"state", "EMPTY"}});
  }
  Basis basis;
  basis.head = *row.head;
  basis.plan_digest = row.plan_digest;
  FEDERITY_ASSIGN_OR_RETURN(const repositories::PlanRow plan,
                            repositories::GetPlan(transaction, repository, row.plan_digest));
  FEDERITY_ASSIGN_OR_RETURN(basis.plan, plan.Parse());
  if (basis.plan.data.standardise == Plan::Standardise::kFederated) {
    basis.standardisation_digest = row.standardisation_digest;
  }
  return basis;
}

absl::Status CheckFeatures(const Plan& plan) {
  if (plan.proof.policy != Plan::ProofPolicy::kNone) {
    return Error(v1::ERROR_REASON_FEATURE_NOT_AVAILABLE,
                 "Proofs of training (proof.policy) are not available yet.",
                 {{"feature", "proof.policy"}});
  }
  if (plan.privacy.secure_aggregation) {
    return Error(v1::ERROR_REASON_FEATURE_NOT_AVAILABLE,
                 "Secure aggregation (privacy.secure_aggregation) is not available yet.",
                 {{"feature", "privacy.secure_aggregation"}});
  }
  return absl::OkStatus();
}

absl::Status CheckMembers(store::Transaction& transaction, std::string_view repository,
                          const Basis& basis, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(const repositories::CommitRow head,
                            repositories::GetCommit(transaction, repository, basis.head));
  FEDERITY_ASSIGN_OR_RETURN(
      const std::vector<Candidate> candidates,
      ListCandidates(transaction, repository, basis.plan_digest, head.program_digest, now));
  const int64_t minimum = basis.plan.round.min_contributions;
  const int64_t organizations = CountOrganizations(candidates, /*only_ready=*/false);
  if (organizations < minimum) {
    const std::string members = DescribeCandidates(candidates);
    return Error(
        v1::ERROR_REASON_TOO_FEW_MEMBERS,
        StrCat("The round needs contributions of ", minimum, " organisations; agents of ",
               organizations, " could ever take part: ", members,
               ". Invite more agents, or lower round.min_contributions."),
        {{"members", members}, {"required", StrCat(minimum)}, {"possible", StrCat(organizations)}});
  }
  int64_t total = 0;
  if (__builtin_mul_overflow(static_cast<int64_t>(candidates.size()),
                             basis.plan.aggregation.max_examples, &total)) {
    total = std::numeric_limits<int64_t>::max();
  }
  return tensor::CheckNoOverflow(total);
}

absl::Status CheckStart(store::Transaction& transaction, std::string_view repository,
                        const Basis& basis, absl::Time now) {
  FEDERITY_RETURN_IF_ERROR(CheckFeatures(basis.plan));
  const bool federated = basis.plan.data.kind == Plan::DataKind::kTable &&
                         basis.plan.data.standardise == Plan::Standardise::kFederated;
  if (federated && !basis.standardisation_digest.has_value()) {
    return Error(v1::ERROR_REASON_STANDARDISATION_MISSING,
                 "The plan standardises by federated statistics, and none are frozen yet: "
                 "`federity stats run` collects them.");
  }
  return CheckMembers(transaction, repository, basis, now);
}

// A round's failure is shown to every member; who else is one is not.
std::string WithoutMembers(const absl::Status& refused) {
  if (ReasonOf(refused) != v1::ERROR_REASON_TOO_FEW_MEMBERS) {
    return std::string(refused.message());
  }
  ErrorMetadata metadata = MetadataOf(refused);
  return StrCat("The round needs contributions of ", metadata["required"],
                " organisations; agents of ", metadata["possible"], " could ever take part.");
}

uint64_t RandomSeed() {
  uint64_t seed = 0;
  while (seed == 0) std::memcpy(&seed, crypto::RandomBytes(sizeof seed).data(), sizeof seed);
  return seed;
}

// Inserts a round in RECRUITING; REQUIRES: the repository's row is locked.
absl::StatusOr<RoundRow> InsertRound(store::Transaction& transaction, std::string_view repository,
                                     std::string_view series, int series_index, const Basis& basis,
                                     absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Row last,
      transaction.QueryOne("SELECT coalesce(max(number), 0) FROM rounds WHERE repository = $1",
                           store::Params().Text(repository)));
  const int64_t number = last.Int(0) + 1;
  const Plan& plan = basis.plan;
  store::Params params;
  params.Text(repository)
      .Int(number)
      .Text(series)
      .Int(series_index)
      .Int(v1::Round::RECRUITING)
      .Text(basis.head)
      .Text(basis.plan_digest)
      .OptionalText(basis.standardisation_digest)
      .Text(StrCat(plan.training.seed != 0 ? plan.training.seed : RandomSeed()))
      .Int(plan.round.min_contributions);
  if (plan.round.target_contributions.has_value()) {
    params.Int(*plan.round.target_contributions);
  } else {
    params.Null();
  }
  params.Int(std::max<int64_t>(1, absl::ToInt64Seconds(plan.round.deadline)))
      .Int(plan.aggregation.max_examples)
      .Time(now)
      .Time(now + plan.round.recruit_deadline);
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("INSERT INTO rounds (repository, number, series, series_index, state, "
                   "base_commit, plan_digest, standardisation_digest, seed, min_contributions, "
                   "target_contributions, training_seconds, max_examples, created_at, due_at, "
                   "recruit_deadline) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
                   "$13, $14, $14, $15)",
                   params)
          .status());
  FEDERITY_RETURN_IF_ERROR(transaction.Notify(RepositoryTopic(repository)));
  FEDERITY_RETURN_IF_ERROR(transaction.Notify(kRoundsTopic));
  FEDERITY_ASSIGN_OR_RETURN(std::optional<RoundRow> round,
                            FindRound(transaction, repository, number, Lock::kUpdate));
  if (!round.has_value()) return absl::InternalError("the new round is not there");
  return *std::move(round);
}

}  // namespace

absl::StatusOr<RoundRow> StartSeries(store::Transaction& transaction, std::string_view repository,
                                     int64_t count, std::string_view creator, absl::Time now) {
  if (count < 1 || count > kMaxSeries) {
    return InvalidArgument("count", StrCat("must be 1 to ", kMaxSeries, ", got ", count));
  }
  FEDERITY_ASSIGN_OR_RETURN(const Basis basis, ReadBasis(transaction, repository));
  FEDERITY_RETURN_IF_ERROR(repositories::CheckNoRoundRuns(transaction, repository));
  FEDERITY_RETURN_IF_ERROR(CheckStart(transaction, repository, basis, now));
  const std::string series = crypto::RandomUuid();
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("INSERT INTO series (id, repository, count, creator, created_at) "
                   "VALUES ($1, $2, $3, $4, $5)",
                   store::Params().Text(series).Text(repository).Int(count).Text(creator).Time(now))
          .status());
  return InsertRound(transaction, repository, series, 1, basis, now);
}

absl::Status StartNextRound(store::Transaction& transaction, const RoundRow& previous,
                            absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(const Basis basis, ReadBasis(transaction, previous.repository));
  FEDERITY_ASSIGN_OR_RETURN(RoundRow next,
                            InsertRound(transaction, previous.repository, previous.series,
                                        previous.series_index + 1, basis, now));
  const absl::Status refused = CheckStart(transaction, previous.repository, basis, now);
  if (refused.ok()) return absl::OkStatus();
  if (ReasonOf(refused) == v1::ERROR_REASON_INTERNAL) return refused;
  return MoveRound(transaction, next, RoundEvent::kRefused,
                   {.reason = ReasonOf(refused), .words = WithoutMembers(refused)}, now);
}

}  // namespace federity::rounds
