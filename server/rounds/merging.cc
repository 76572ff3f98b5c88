#include "server/rounds/merging.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/log/log.h"
#include "server/aggregation/streaming_merge.h"
#include "server/repositories/commits.h"
#include "server/repositories/repositories.h"
#include "server/rounds/lease.h"
#include "server/rounds/round_decisions.h"
#include "server/rounds/round_start.h"

namespace federity::rounds {
namespace {

// A merge that failed so often for no reason that we know will fail again.
constexpr int64_t kMaxAttempts = 10;

struct Work {
  RoundRow round;
  std::vector<ContributionRow> accepted;  // by id
  repositories::CommitRow base;
  crypto::Secret key;
};

struct NewWeights {
  crypto::Digest digest;
  int64_t bytes = 0;
};

std::vector<ContributionRow> Accepted(std::vector<ContributionRow> contributions) {
  std::erase_if(contributions, [](const ContributionRow& contribution) {
    return contribution.state != v1::Contribution::ACCEPTED;
  });
  std::sort(contributions.begin(), contributions.end(),
            [](const ContributionRow& a, const ContributionRow& b) { return a.id < b.id; });
  return contributions;
}

int64_t AcceptedOrganizations(const std::vector<ContributionRow>& accepted) {
  std::vector<std::string> organizations;
  for (const ContributionRow& contribution : accepted) {
    organizations.push_back(contribution.organization);
  }
  return CountOrganizations(organizations);
}

// What there is to do: nothing, a merge, or (`ended`) a round that has just failed
// because too few contributions were left.
struct Claimed {
  bool ended = false;
  std::optional<Work> work;
};

absl::StatusOr<Claimed> Claim(store::Transaction& transaction,
                              const RoundDependencies& dependencies, const RoundOptions& options) {
  const absl::Time now = dependencies.clock.Now();
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(
          "UPDATE rounds SET lease_owner = $1, lease_until = now() + make_interval(secs => $2), "
          "lease_token = lease_token + 1 "
          "WHERE (repository, number) = (SELECT repository, number FROM rounds WHERE state = 3 "
          "AND (lease_until IS NULL OR lease_until <= now()) ORDER BY created_at LIMIT 1 "
          "FOR UPDATE SKIP LOCKED) RETURNING repository, number",
          store::Params().Text(options.replica).Real(absl::ToDoubleSeconds(options.lease))));
  if (!row.has_value()) return Claimed{};
  FEDERITY_ASSIGN_OR_RETURN(std::optional<RoundRow> round,
                            FindRound(transaction, row->Text(0), row->Int(1), Lock::kUpdate));
  if (!round.has_value()) return absl::InternalError("the claimed round is gone");
  FEDERITY_ASSIGN_OR_RETURN(std::vector<ContributionRow> contributions,
                            ListContributions(transaction, round->repository, round->number));
  std::vector<ContributionRow> accepted = Accepted(contributions);
  if (AcceptedOrganizations(accepted) < round->min_contributions) {
    FEDERITY_RETURN_IF_ERROR(MoveRound(transaction, *round, RoundEvent::kTooFew,
                                       {.reason = v1::ERROR_REASON_TOO_FEW_CONTRIBUTIONS,
                                        .words = TooFewWords(*round, contributions)},
                                       now));
    return Claimed{.ended = true, .work = std::nullopt};
  }
  FEDERITY_ASSIGN_OR_RETURN(
      repositories::CommitRow base,
      repositories::GetCommit(transaction, round->repository, round->base_commit));
  FEDERITY_ASSIGN_OR_RETURN(
      crypto::Secret key,
      repositories::BlobKey(transaction, round->repository, dependencies.key_file));
  Claimed claimed;
  claimed.work.emplace(
      Work{*std::move(round), std::move(accepted), std::move(base), std::move(key)});
  return claimed;
}

absl::Status LeaseLost() { return absl::CancelledError("the round is merged elsewhere or ended"); }

absl::Status Renew(const RoundDependencies& dependencies, const RoundOptions& options,
                   const RoundRow& round) {
  return dependencies.database.RunInTransaction(
      [&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_RETURN_IF_ERROR(
            transaction
                .Execute("UPDATE rounds SET lease_until = now() + make_interval(secs => $4) "
                         "WHERE repository = $1 AND number = $2 AND lease_token = $3 AND state = 3",
                         store::Params()
                             .Text(round.repository)
                             .Int(round.number)
                             .Int(round.lease_token)
                             .Real(absl::ToDoubleSeconds(options.lease)))
                .status());
        return transaction.affected_rows() == 1 ? absl::OkStatus() : LeaseLost();
      });
}

absl::StatusOr<NewWeights> Merge(const RoundDependencies& dependencies, const RoundOptions& options,
                                 const Work& work) {
  LeaseKeeper keeper({.lease = options.lease, .stall = options.stall, .renew = [&] {
                        return Renew(dependencies, options, work.round);
                      }});
  const std::string& repository = work.round.repository;
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest weights,
                            crypto::ParseDigest(work.base.weights_digest));
  FEDERITY_ASSIGN_OR_RETURN(const std::unique_ptr<blobs::BlobReader> base,
                            dependencies.blobs.OpenReader(repository, weights, work.key));
  std::vector<aggregation::MergeInput> inputs;
  for (const ContributionRow& contribution : work.accepted) {
    FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest delta,
                              crypto::ParseDigest(contribution.delta_digest.value_or("")));
    inputs.push_back({.open = [&, delta]() -> absl::StatusOr<std::unique_ptr<blobs::BlobReader>> {
                        auto reader = dependencies.blobs.OpenReader(repository, delta, work.key);
                        if (!absl::IsNotFound(reader.status())) return reader;
                        return Error(v1::ERROR_REASON_BLOB_CORRUPT,
                                     "an accepted update is gone from the disk");
                      },
                      .weight = std::min(contribution.examples, work.round.max_examples)});
  }
  const std::string partial = crypto::RandomUuid();
  FEDERITY_ASSIGN_OR_RETURN(std::unique_ptr<blobs::BlobWriter> out,
                            dependencies.blobs.OpenWriter(repository, partial, work.key));
  const absl::Status merged =
      aggregation::MergePlainDeltas(*base, inputs, *out, [&]() -> absl::Status {
        if (options.is_stopping()) return absl::CancelledError("the coordinator shuts down");
        return keeper.Check();
      });
  if (!merged.ok()) {
    out.reset();
    dependencies.blobs.DeletePartial(repository, partial).IgnoreError();
    return merged;
  }
  NewWeights result;
  result.bytes = out->written_bytes();
  FEDERITY_ASSIGN_OR_RETURN(result.digest, out->Seal(nullptr));
  return result;
}

// Whoever comes next need not wait for the lease's end, only for `pause`.
absl::Status GiveBack(const RoundDependencies& dependencies, const RoundRow& round,
                      absl::Duration pause) {
  return dependencies.database.RunInTransaction([&](store::Transaction& transaction) {
    return transaction
        .Execute("UPDATE rounds SET lease_until = now() + make_interval(secs => $4) "
                 "WHERE repository = $1 AND number = $2 AND lease_token = $3 AND state = 3",
                 store::Params()
                     .Text(round.repository)
                     .Int(round.number)
                     .Int(round.lease_token)
                     .Real(absl::ToDoubleSeconds(pause)))
        .status();
  });
}

// The round, locked, if this replica still holds it.
absl::StatusOr<RoundRow> LockHeld(store::Transaction& transaction, const RoundRow& held) {
  FEDERITY_ASSIGN_OR_RETURN(std::optional<RoundRow> round,
                            FindRound(transaction, held.repository, held.number, Lock::kUpdate));
  if (!round.has_value() || round->state != v1::Round::MERGING ||
      round->lease_token != held.lease_token) {
    return LeaseLost();
  }
  return *std::move(round);
}

bool SameSet(const std::vector<ContributionRow>& a, const std::vector<ContributionRow>& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const ContributionRow& x, const ContributionRow& y) { return x.id == y.id; });
}

absl::Status Commit(store::Transaction& transaction, const Work& work, const NewWeights& weights,
                    absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(RoundRow round, LockHeld(transaction, work.round));
  FEDERITY_ASSIGN_OR_RETURN(
      std::vector<ContributionRow> contributions,
      ListContributions(transaction, round.repository, round.number, Lock::kUpdate));
  if (!SameSet(work.accepted, Accepted(std::move(contributions)))) {
    // Somebody left: the lease is given back and the merge begins again.
    return transaction
        .Execute("UPDATE rounds SET lease_until = NULL WHERE repository = $1 AND number = $2",
                 store::Params().Text(round.repository).Int(round.number))
        .status();
  }
  repositories::NewCommit commit;
  commit.repository = round.repository;
  commit.parent = round.base_commit;
  commit.program_digest = work.base.program_digest;
  commit.program_bytes = work.base.program_bytes;
  commit.weights_digest = weights.digest.ToString();
  commit.weights_bytes = weights.bytes;
  commit.parameter_count = work.base.parameter_count;
  commit.plan_digest = round.plan_digest;
  commit.standardisation_digest = round.standardisation_digest;
  commit.round = round.number;
  commit.contribution_count = static_cast<int32_t>(work.accepted.size());
  for (const ContributionRow& contribution : work.accepted) {
    commit.examples += contribution.examples;
  }
  commit.now = now;
  FEDERITY_ASSIGN_OR_RETURN(const repositories::CommitRow committed,
                            repositories::InsertCommit(transaction, commit));
  FEDERITY_RETURN_IF_ERROR(MoveRound(
      transaction, round, RoundEvent::kMerged,
      {.commit = committed.digest,
       .audit = {{"commit", committed.digest}, {"contributions", StrCat(work.accepted.size())}}},
      now));
  return round.series_ended ? absl::OkStatus() : StartNextRound(transaction, round, now);
}

absl::Status Fail(store::Transaction& transaction, const RoundRow& held,
                  const absl::Status& failure, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(RoundRow round, LockHeld(transaction, held));
  return MoveRound(
      transaction, round, RoundEvent::kRefused,
      {.reason = ReasonOf(failure), .words = StrCat("the merge failed: ", failure.message())}, now);
}

}  // namespace

std::string TooFewWords(const RoundRow& round, const std::vector<ContributionRow>& contributions) {
  int64_t accepted = 0;
  int64_t refused = 0;
  int64_t abandoned = 0;
  for (const ContributionRow& contribution : contributions) {
    accepted += contribution.state == v1::Contribution::ACCEPTED;
    refused += contribution.state == v1::Contribution::REFUSED;
    abandoned += contribution.state == v1::Contribution::ABANDONED;
  }
  return StrCat("contributions of ", AcceptedOrganizations(Accepted(contributions)),
                " organisations were accepted and ", round.min_contributions, " are needed (of ",
                contributions.size(), " contributions ", accepted, " accepted, ", refused,
                " refused, ", abandoned, " given up)");
}

absl::StatusOr<bool> MergeOne(const RoundDependencies& dependencies, const RoundOptions& options) {
  Claimed claimed;
  FEDERITY_RETURN_IF_ERROR(
      dependencies.database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(claimed, Claim(transaction, dependencies, options));
        return absl::OkStatus();
      }));
  if (!claimed.work.has_value()) return claimed.ended;
  const Work& work = *claimed.work;
  const absl::StatusOr<NewWeights> weights = Merge(dependencies, options, work);
  absl::Status status = weights.status();
  if (absl::IsCancelled(status) && options.is_stopping()) {
    FEDERITY_RETURN_IF_ERROR(GiveBack(dependencies, work.round, absl::ZeroDuration()));
    return false;
  }
  if (status.ok()) {
    status = dependencies.database.RunInTransaction([&](store::Transaction& transaction) {
      return Commit(transaction, work, *weights, dependencies.clock.Now());
    });
  }
  const bool hopeless =
      ReasonOf(status) != v1::ERROR_REASON_INTERNAL || work.round.lease_token >= kMaxAttempts;
  if (!status.ok() && !absl::IsCancelled(status) && hopeless) {
    log::Warning("round not merged", {{"repository", work.round.repository_name},
                                      {"round", StrCat(work.round.number)},
                                      {"error", std::string(ToStd(status.message()))}});
    const absl::Status failure = std::exchange(status, absl::OkStatus());
    status = dependencies.database.RunInTransaction([&](store::Transaction& transaction) {
      return Fail(transaction, work.round, failure, dependencies.clock.Now());
    });
  }
  // Fenced off: whoever holds the round now does the rest. Any other error is
  // worth another attempt, here or elsewhere.
  if (absl::IsCancelled(status)) {
    log::Info("a merge is left to the replica that took it over",
              {{"round", work.round.name()}, {"token", StrCat(work.round.lease_token)}});
  }
  if (status.ok() || absl::IsCancelled(status)) return true;
  GiveBack(dependencies, work.round, options.retry).IgnoreError();  // else the lease runs out
  return status;
}

}  // namespace federity::rounds
