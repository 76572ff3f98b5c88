#include "server/rounds/contributions.h"

#include <algorithm>
#include <cmath>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/contribution/contribution_statement.h"
#include "common/crypto/ed25519.h"
#include "server/membership/conversions.h"
#include "server/repositories/commits.h"
#include "server/repositories/plans.h"
#include "server/repositories/uploads.h"
#include "server/rounds/assignments.h"
#include "server/rounds/evaluations.h"
#include "server/rounds/metrics_check.h"
#include "server/rounds/topics.h"

namespace federity::rounds {
namespace {

constexpr absl::Duration kProgressInterval = absl::Seconds(1);
constexpr double kProgressStep = 0.01;
constexpr size_t kMaxReasonBytes = 2000;  // 500 characters
constexpr size_t kMaxDeviceBytes = 200;

struct Own {
  RoundRow round;
  ContributionRow contribution;
};

absl::Status NoContribution(const ContributionRef& ref) {
  return NotFound(StrCat(ref.repository_name, "/rounds/", ref.round, "/contributions/", ref.id));
}

// The round first: locks go in that order.
absl::StatusOr<Own> LockOwn(store::Transaction& transaction, const ContributionRef& ref) {
  FEDERITY_ASSIGN_OR_RETURN(std::optional<RoundRow> round,
                            FindRound(transaction, ref.repository, ref.round, Lock::kUpdate));
  if (!round.has_value()) return NoContribution(ref);
  FEDERITY_ASSIGN_OR_RETURN(
      std::optional<ContributionRow> contribution,
      FindContribution(transaction, ref.repository, ref.round, ref.id, Lock::kUpdate));
  if (!contribution.has_value() || contribution->member != ref.member) return NoContribution(ref);
  return Own{*std::move(round), *std::move(contribution)};
}

absl::Status CheckOpen(const Own& own, absl::Time now) {
  const ContributionRow& contribution = own.contribution;
  if (contribution.submitted.has_value()) {
    return Error(v1::ERROR_REASON_CONTRIBUTION_DUPLICATE,
                 StrCat("This contribution was handed in before and is ",
                        StateName(contribution.state), "."),
                 {{"state", std::string(StateName(contribution.state))}});
  }
  if (!IsOpen(contribution.state)) {
    return Error(v1::ERROR_REASON_CONTRIBUTION_LATE,
                 StrCat("This contribution has ended: ",
                        contribution.refusal.empty() ? "given up" : contribution.refusal, "."),
                 {{"state", std::string(StateName(contribution.state))},
                  {"reason", contribution.refusal_reason}});
  }
  if (own.round.state != v1::Round::TRAINING || now >= own.round.deadline.value_or(now)) {
    return Error(v1::ERROR_REASON_CONTRIBUTION_LATE, "The round's deadline has passed.",
                 {{"state", std::string(StateName(own.round.state))}});
  }
  return absl::OkStatus();
}

// What can be told without reading the delta: OK, or why it is refused.
absl::Status CheckClaims(const Own& own, const ContributionRef& ref, const Plan& plan,
                         std::string_view delta_digest,
                         const v1::SubmitContributionRequest& request) {
  FEDERITY_RETURN_IF_ERROR(CheckExamples(request.examples()));
  FEDERITY_RETURN_IF_ERROR(CheckMetrics(request.base_metrics(), plan));
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest base, crypto::ParseDigest(own.round.base_commit));
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest plan_digest,
                            crypto::ParseDigest(own.round.plan_digest));
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest delta, crypto::ParseDigest(delta_digest));
  const std::string statement = contribution::BuildContributionStatement(
      StrCat(own.round.name(), "/contributions/", own.contribution.id), base, plan_digest, delta,
      request.examples());
  if (crypto::VerifySignature(ref.contribution_key, contribution::kContributionLabel, statement,
                              request.signature())) {
    return absl::OkStatus();
  }
  return Error(v1::ERROR_REASON_SIGNATURE_INVALID,
               "The signature does not match the contribution key over this contribution's "
               "statement.");
}

// The claims as the row keeps them; those of a refused one stay out, except what
// names its bytes.
absl::Status StoreClaims(store::Transaction& transaction, const ContributionRow& contribution,
                         const repositories::UploadRow& upload,
                         const v1::SubmitContributionRequest& request, bool good, absl::Time now) {
  const v1::Metrics& metrics = request.base_metrics();
  store::Params params;
  params.Text(contribution.id).Text(upload.digest).Int(upload.size_bytes).Time(now);
  if (!good) {
    return transaction
        .Execute(
            "UPDATE contributions SET delta_digest = $2, delta_bytes = $3, "
            "submitted_at = $4 WHERE id = $1",
            params)
        .status();
  }
  const double seconds = request.train_seconds();
  params.Int(request.examples())
      .Real(std::isfinite(seconds) && seconds >= 0 ? seconds : 0)
      .Text(request.device())
      .Int(metrics.examples())
      .Real(metrics.loss_sum())
      .Text(FormatConfusion(metrics.confusion()))
      .Bytes(request.signature());
  return transaction
      .Execute(
          "UPDATE contributions SET delta_digest = $2, delta_bytes = $3, submitted_at = $4, "
          "examples = $5, train_seconds = $6, device = $7, base_examples = $8, "
          "base_loss_sum = $9, base_confusion = $10, signature = $11 WHERE id = $1",
          params)
      .status();
}

}  // namespace

absl::StatusOr<ContributionRow> SubmitContribution(store::Transaction& transaction,
                                                   const ContributionRef& ref,
                                                   const v1::SubmitContributionRequest& request,
                                                   absl::Time now) {
  if (!membership::IsPlainText(request.device(), kMaxDeviceBytes)) {
    return InvalidArgument("device",
                           StrCat("must be plain text of at most ", kMaxDeviceBytes, " bytes"));
  }
  FEDERITY_ASSIGN_OR_RETURN(Own own, LockOwn(transaction, ref));
  FEDERITY_RETURN_IF_ERROR(CheckOpen(own, now));
  FEDERITY_ASSIGN_OR_RETURN(
      const repositories::UploadRow upload,
      repositories::GetCompleteUpload(transaction, ref.repository, ref.repository_name, ref.member,
                                      request.upload(), now));
  FEDERITY_ASSIGN_OR_RETURN(
      const repositories::PlanRow plan_row,
      repositories::GetPlan(transaction, ref.repository, own.round.plan_digest));
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, plan_row.Parse());
  const absl::Status claims = CheckClaims(own, ref, plan, upload.digest, request);
  if (!claims.ok() && ReasonOf(claims) == v1::ERROR_REASON_INTERNAL) return claims;
  FEDERITY_RETURN_IF_ERROR(
      StoreClaims(transaction, own.contribution, upload, request, claims.ok(), now));
  FEDERITY_RETURN_IF_ERROR(
      MoveContribution(transaction, own.round, own.contribution,
                       claims.ok() ? ContributionEvent::kSubmitted : ContributionEvent::kRefused,
                       ReasonOf(claims), ToStd(claims.message()), now));
  FEDERITY_RETURN_IF_ERROR(repositories::ConsumeUpload(transaction, upload.id));
  FEDERITY_ASSIGN_OR_RETURN(
      std::optional<ContributionRow> stored,
      FindContribution(transaction, ref.repository, ref.round, ref.id, Lock::kNone));
  if (!stored.has_value()) return NoContribution(ref);
  return *std::move(stored);
}

absl::StatusOr<ContributionRow> AbandonContribution(store::Transaction& transaction,
                                                    const ContributionRef& ref,
                                                    std::string_view reason, absl::Time now) {
  if (!membership::IsPlainText(reason, kMaxReasonBytes)) {
    return InvalidArgument("reason", "must be plain text of at most 500 characters");
  }
  FEDERITY_ASSIGN_OR_RETURN(Own own, LockOwn(transaction, ref));
  if (own.contribution.state == v1::Contribution::ABANDONED) return std::move(own.contribution);
  if (!IsOpen(own.contribution.state)) {
    return Error(v1::ERROR_REASON_ROUND_STATE,
                 StrCat("The contribution was handed in and is ", StateName(own.contribution.state),
                        "; it cannot be given up any more."),
                 {{"state", std::string(StateName(own.contribution.state))}});
  }
  FEDERITY_RETURN_IF_ERROR(MoveContribution(transaction, own.round, own.contribution,
                                            ContributionEvent::kGivenUp,
                                            v1::ERROR_REASON_UNSPECIFIED, reason, now));
  return std::move(own.contribution);
}

absl::StatusOr<v1::ReportProgressResponse> ReportProgress(store::Transaction& transaction,
                                                          const ContributionRef& ref,
                                                          v1::ContributionPhase phase,
                                                          double fraction, absl::Time now) {
  if (phase < v1::CONTRIBUTION_PHASE_DOWNLOADING || phase > v1::CONTRIBUTION_PHASE_UPLOADING) {
    return InvalidArgument("phase", "must be downloading, training or uploading");
  }
  fraction = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0.0;
  FEDERITY_ASSIGN_OR_RETURN(const std::optional<RoundRow> round,
                            FindRound(transaction, ref.repository, ref.round, Lock::kNone));
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<ContributionRow> contribution,
      FindContribution(transaction, ref.repository, ref.round, ref.id, Lock::kNone));
  if (!round.has_value() || !contribution.has_value() || contribution->member != ref.member) {
    return NoContribution(ref);
  }
  v1::ReportProgressResponse response;
  response.set_wanted(IsOpen(contribution->state) && round->state == v1::Round::TRAINING &&
                      now < round->deadline.value_or(now));
  if (!response.wanted()) {
    const bool ended = contribution->state == v1::Contribution::ABANDONED ||
                       contribution->state == v1::Contribution::REFUSED;
    response.set_reason(contribution->submitted.has_value() && !ended ? "it was handed in"
                        : !contribution->refusal.empty()              ? contribution->refusal
                        : ended                                       ? "it was given up"
                                : "the round's deadline has passed");
    return response;
  }
  const bool uploads = phase == v1::CONTRIBUTION_PHASE_UPLOADING;
  if (contribution->phase == phase && now < contribution->progress + kProgressInterval &&
      std::abs(contribution->fraction - fraction) < kProgressStep) {
    return response;
  }
  // A round's lock would make a thousand reports queue, so this one row alone is
  // changed, and only while it is still open.
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE contributions SET phase = $2, fraction = $3, progress_at = $4, "
                   "state = CASE WHEN $5 THEN 2 ELSE state END WHERE id = $1 AND state IN (1, 2)",
                   store::Params().Text(ref.id).Int(phase).Real(fraction).Time(now).Bool(uploads))
          .status());
  FEDERITY_RETURN_IF_ERROR(transaction.Notify(ProgressTopic(ref.repository)));
  return response;
}

absl::Status NoteUpload(store::Transaction& transaction, std::string_view repository,
                        std::string_view member, absl::Time now) {
  return transaction
      .Execute(
          "UPDATE contributions SET progress_at = $3 WHERE member = $1 AND repository = $2 "
          "AND state IN (1, 2)",
          store::Params().Text(member).Text(repository).Time(now))
      .status();
}

absl::Status SubmitEvaluation(store::Transaction& transaction, std::string_view repository,
                              std::string_view commit_digest, std::string_view member,
                              const v1::Metrics& metrics, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(const repositories::CommitRow commit,
                            repositories::GetCommit(transaction, repository, commit_digest));
  FEDERITY_ASSIGN_OR_RETURN(const repositories::PlanRow plan_row,
                            repositories::GetPlan(transaction, repository, commit.plan_digest));
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, plan_row.Parse());
  FEDERITY_RETURN_IF_ERROR(CheckMetrics(metrics, plan));
  FEDERITY_RETURN_IF_ERROR(KeepEvaluation(transaction,
                                          {.repository = std::string(repository),
                                           .commit = commit.digest,
                                           .member = std::string(member),
                                           .examples = metrics.examples(),
                                           .loss_sum = metrics.loss_sum(),
                                           .confusion = FormatConfusion(metrics.confusion())},
                                          now));
  FEDERITY_ASSIGN_OR_RETURN(const std::set<std::string> asked,
                            MembersToMeasure(transaction, repository, commit));
  if (asked.empty()) {
    FEDERITY_RETURN_IF_ERROR(CloseEvaluations(transaction, repository, commit.digest, now));
  }
  return transaction.Notify(ProgressTopic(repository));
}

}  // namespace federity::rounds
