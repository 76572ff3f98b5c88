#include "server/rounds/verification.h"

#include <memory>
#include <optional>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/aggregation/delta_check.h"
#include "server/aggregation/tensor_blob.h"
#include "server/repositories/commits.h"
#include "server/repositories/plans.h"
#include "server/repositories/repositories.h"
#include "server/rounds/evaluations.h"
#include "server/rounds/lease.h"
#include "server/rounds/round_store.h"

namespace federity::rounds {
namespace {

// One contribution under lease, and what it is held against.
struct Work {
  std::string repository;
  int64_t round = 0;
  std::string id;
  int64_t token = 0;
  crypto::Digest delta;
  crypto::Digest weights;
  double max_update_norm = 0;
  crypto::Secret key;
};

absl::StatusOr<std::optional<Work>> Claim(store::Transaction& transaction,
                                          const RoundDependencies& dependencies,
                                          const RoundOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(
          "UPDATE contributions SET lease_until = now() + make_interval(secs => $1), "
          "lease_token = lease_token + 1 WHERE id = "
          "(SELECT id FROM contributions WHERE state = 3 AND (lease_until IS NULL OR "
          "lease_until <= now()) ORDER BY updated_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) "
          "RETURNING repository, round, id, lease_token, delta_digest",
          store::Params().Real(absl::ToDoubleSeconds(options.lease))));
  if (!row.has_value()) return std::nullopt;
  Work work;
  work.repository = row->Text(0);
  work.round = row->Int(1);
  work.id = row->Text(2);
  work.token = row->Int(3);
  FEDERITY_ASSIGN_OR_RETURN(work.delta, crypto::ParseDigest(row->Text(4)));
  FEDERITY_ASSIGN_OR_RETURN(const std::optional<RoundRow> round,
                            FindRound(transaction, work.repository, work.round, Lock::kNone));
  if (!round.has_value()) return absl::InternalError("a contribution without a round");
  FEDERITY_ASSIGN_OR_RETURN(
      const repositories::CommitRow base,
      repositories::GetCommit(transaction, work.repository, round->base_commit));
  FEDERITY_ASSIGN_OR_RETURN(work.weights, crypto::ParseDigest(base.weights_digest));
  FEDERITY_ASSIGN_OR_RETURN(
      const repositories::PlanRow plan_row,
      repositories::GetPlan(transaction, work.repository, round->plan_digest));
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, plan_row.Parse());
  work.max_update_norm = plan.aggregation.max_update_norm;
  FEDERITY_ASSIGN_OR_RETURN(
      work.key, repositories::BlobKey(transaction, work.repository, dependencies.key_file));
  return std::optional<Work>(std::move(work));
}

// Says that the work goes on; CANCELLED once it is no longer ours.
absl::Status Renew(const RoundDependencies& dependencies, const RoundOptions& options,
                   const Work& work) {
  return dependencies.database.RunInTransaction(
      [&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_RETURN_IF_ERROR(
            transaction
                .Execute("UPDATE contributions SET lease_until = now() + "
                         "make_interval(secs => $3) WHERE id = $1 AND lease_token = $2 "
                         "AND state = 3",
                         store::Params()
                             .Text(work.id)
                             .Int(work.token)
                             .Real(absl::ToDoubleSeconds(options.lease)))
                .status());
        if (transaction.affected_rows() == 1) return absl::OkStatus();
        return absl::CancelledError("the contribution is verified elsewhere or ended");
      });
}

// The delta's facts; refusals and our own faults as CheckDelta tells them apart.
absl::StatusOr<aggregation::DeltaFacts> Check(const RoundDependencies& dependencies,
                                              const RoundOptions& options, const Work& work) {
  LeaseKeeper keeper({.lease = options.lease, .stall = options.stall, .renew = [&] {
                        return Renew(dependencies, options, work);
                      }});
  FEDERITY_ASSIGN_OR_RETURN(const std::unique_ptr<blobs::BlobReader> weights,
                            dependencies.blobs.OpenReader(work.repository, work.weights, work.key));
  FEDERITY_ASSIGN_OR_RETURN(const aggregation::TensorHeader header,
                            aggregation::ReadTensorHeader(*weights));
  absl::StatusOr<std::unique_ptr<blobs::BlobReader>> delta =
      dependencies.blobs.OpenReader(work.repository, work.delta, work.key);
  if (absl::IsNotFound(delta.status())) {
    return Error(v1::ERROR_REASON_BLOB_CORRUPT, "The stored update is gone.");
  }
  FEDERITY_RETURN_IF_ERROR(delta.status());
  return aggregation::CheckDelta(**delta, header.spec, work.max_update_norm, [&]() -> absl::Status {
    if (options.is_stopping()) return absl::CancelledError("the coordinator shuts down");
    return keeper.Check();
  });
}

// Whoever comes next need not wait for the lease's end, only for `pause`.
absl::Status GiveBack(const RoundDependencies& dependencies, const Work& work,
                      absl::Duration pause) {
  return dependencies.database.RunInTransaction([&](store::Transaction& transaction) {
    return transaction
        .Execute("UPDATE contributions SET lease_until = now() + make_interval(secs => $3) "
                 "WHERE id = $1 AND lease_token = $2 AND state = 3",
                 store::Params()
                     .Text(work.id)
                     .Int(work.token)
                     .Real(absl::ToDoubleSeconds(pause)))
        .status();
  });
}

// Metrics of the base commit, measured on the way: kept as its evaluation.
absl::Status KeepBaseEvaluation(store::Transaction& transaction, const RoundRow& round,
                                const ContributionRow& contribution, absl::Time now) {
  if (contribution.base_examples == 0) return absl::OkStatus();
  return KeepEvaluation(transaction,
                        {.repository = round.repository,
                         .commit = round.base_commit,
                         .member = contribution.member,
                         .examples = contribution.base_examples,
                         .loss_sum = contribution.base_loss_sum,
                         .confusion = contribution.base_confusion},
                        now);
}

absl::Status Finish(store::Transaction& transaction, const Work& work, const absl::Status& result,
                    double norm, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(const std::optional<RoundRow> round,
                            FindRound(transaction, work.repository, work.round, Lock::kUpdate));
  FEDERITY_ASSIGN_OR_RETURN(
      std::optional<ContributionRow> contribution,
      FindContribution(transaction, work.repository, work.round, work.id, Lock::kUpdate));
  if (!round.has_value() || !contribution.has_value() ||
      contribution->state != v1::Contribution::VERIFYING ||
      contribution->lease_token != work.token) {
    return absl::OkStatus();  // fenced off: the round went on without us
  }
  if (!result.ok()) {
    return MoveContribution(transaction, *round, *contribution, ContributionEvent::kRefused,
                            ReasonOf(result), ToStd(result.message()), now);
  }
  FEDERITY_RETURN_IF_ERROR(transaction
                               .Execute("UPDATE contributions SET norm = $2 WHERE id = $1",
                                        store::Params().Text(work.id).Real(norm))
                               .status());
  FEDERITY_RETURN_IF_ERROR(KeepBaseEvaluation(transaction, *round, *contribution, now));
  return MoveContribution(transaction, *round, *contribution, ContributionEvent::kAccepted,
                          v1::ERROR_REASON_UNSPECIFIED, "", now);
}

}  // namespace

absl::StatusOr<bool> VerifyOne(const RoundDependencies& dependencies, const RoundOptions& options) {
  std::optional<Work> work;
  FEDERITY_RETURN_IF_ERROR(
      dependencies.database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(work, Claim(transaction, dependencies, options));
        return absl::OkStatus();
      }));
  if (!work.has_value()) return false;
  const absl::StatusOr<aggregation::DeltaFacts> facts = Check(dependencies, options, *work);
  // A delta that the disk lost can't be merged; its round must not wait for it.
  const bool refused = aggregation::IsRefusal(facts.status()) ||
                       ReasonOf(facts.status()) == v1::ERROR_REASON_BLOB_CORRUPT;
  if (absl::IsCancelled(facts.status()) && options.is_stopping()) {
    FEDERITY_RETURN_IF_ERROR(GiveBack(dependencies, *work, absl::ZeroDuration()));
    return false;
  }
  if (absl::IsCancelled(facts.status())) return true;
  if (!facts.ok() && !refused) {
    GiveBack(dependencies, *work, options.retry).IgnoreError();  // else the lease runs out
    return facts.status();
  }
  FEDERITY_RETURN_IF_ERROR(
      dependencies.database.RunInTransaction([&](store::Transaction& transaction) {
        return Finish(transaction, *work, facts.status(), facts.ok() ? facts->norm : 0,
                      dependencies.clock.Now());
      }));
  return true;
}

}  // namespace federity::rounds
