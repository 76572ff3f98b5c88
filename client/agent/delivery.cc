#include "client/agent/delivery.h"

#include <utility>

#include "absl/time/clock.h"
#include "client/agent/names.h"
#include "client/identity/call.h"
#include "client/transfer/transfer.h"
#include "common/base/encoding.h"
#include "common/base/errors.h"
#include "common/base/retry_backoff.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/contribution/contribution_statement.h"
#include "common/crypto/digest.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"
#include "federity/v1/contributions.grpc.pb.h"

namespace federity::agent {
namespace {

using Step = state::OutboxEntry::Step;
using Service = v1::ContributionService;

const identity::CallOptions kCall = {.deadline = absl::Seconds(15),
                                     .give_up_after = absl::Seconds(10)};
// How long one attempt waits for the verification's outcome.
constexpr absl::Duration kOutcomeWait = absl::Seconds(20);

// Whether another attempt would hear the same.
bool IsFinal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

class Delivery {
 public:
  Delivery(Context& context, ProgressReporter& progress, state::OutboxEntry entry,
           const Cancellation& cancellation, std::shared_ptr<grpc::Channel> channel)
      : context_(context),
        progress_(progress),
        entry_(std::move(entry)),
        cancellation_(cancellation),
        channel_(std::move(channel)),
        stub_(Service::NewStub(channel_)) {}

  absl::Status Run() {
    absl::Status status;
    do {
      status = NextStep();
    } while (status.ok() && !settled_);
    if (!IsFinal(status) || cancellation_.cancelled()) return status;
    // Ours alone: the coordinator would wait for it.
    if (ReasonOf(status) == v1::ERROR_REASON_DIGEST_MISMATCH) {
      Abandon(context_, entry_.identity, entry_.contribution,
              "the trained update was damaged on the workstation's disk");
    }
    return Settle("dropped", ToStd(status.message()));
  }

 private:
  absl::Status NextStep() {
    if (cancellation_.cancelled()) return absl::CancelledError(cancellation_.reason());
    switch (entry_.step) {
      case Step::kTrained:
        return Upload();
      case Step::kUploaded:
        return Submit();
      case Step::kSubmitted:
        return AwaitOutcome();
    }
    return absl::InternalError("an outbox entry has no such step");
  }

  absl::Status Upload() {
    transfer::TransferOptions options;
    options.on_progress = [&](int64_t done, int64_t total) {
      progress_.Set(entry_.contribution, v1::CONTRIBUTION_PHASE_UPLOADING,
                    total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1.0);
    };
    options.cancelled = [&] { return cancellation_.cancelled(); };
    options.give_up_after = absl::Minutes(1);
    options.first_pause = context_.first_pause;
    options.expected_digest = entry_.delta_digest;
    progress_.Set(entry_.contribution, v1::CONTRIBUTION_PHASE_UPLOADING, 0);
    absl::StatusOr<std::string> upload = transfer::UploadFile(
        channel_, entry_.repository, context_.outbox.DeltaPath(entry_.contribution),
        entry_.upload_request_id, options);
    // The coordinator deleted an unused upload: declare a new one, once.
    if (absl::IsNotFound(upload.status()) && !std::exchange(declared_anew_, true))
      return DeclareAnew();
    FEDERITY_RETURN_IF_ERROR(upload.status());
    entry_.upload = *upload;
    FEDERITY_RETURN_IF_ERROR(Record(Step::kUploaded));
    Note("uploaded", "the update is with the coordinator");
    return absl::OkStatus();
  }

  absl::Status DeclareAnew() {
    entry_.upload.clear();
    entry_.upload_request_id = crypto::RandomUuid();
    entry_.submit_request_id = crypto::RandomUuid();
    return Record(Step::kTrained);
  }

  absl::Status Submit() {
    v1::SubmitContributionRequest request;
    request.set_name(entry_.contribution);
    request.set_upload(entry_.upload);
    request.set_examples(entry_.examples);
    *request.mutable_base_metrics() = entry_.base_metrics;
    request.set_request_id(entry_.submit_request_id);
    request.set_train_seconds(entry_.train_seconds);
    request.set_device(entry_.device);
    FEDERITY_ASSIGN_OR_RETURN(*request.mutable_signature(), Sign());
    absl::StatusOr<v1::Contribution> response =
        identity::Call(*stub_, &Service::Stub::SubmitContribution, request, kCall);
    if (response.ok() || ReasonOf(response.status()) == v1::ERROR_REASON_CONTRIBUTION_DUPLICATE)
      return Record(Step::kSubmitted);
    if (ReasonOf(response.status()) == v1::ERROR_REASON_UPLOAD_INCOMPLETE &&
        !std::exchange(declared_anew_, true))
      return DeclareAnew();
    return response.status();
  }

  absl::StatusOr<std::string> Sign() {
    FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest base,
                              crypto::ParseDigest(entry_.base_commit_digest));
    FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest plan, crypto::ParseDigest(entry_.plan_digest));
    FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest delta, crypto::ParseDigest(entry_.delta_digest));
    FEDERITY_ASSIGN_OR_RETURN(const crypto::SigningKey key,
                              context_.identities.ContributionKey(entry_.identity));
    return key.Sign(contribution::kContributionLabel,
                    contribution::BuildContributionStatement(entry_.contribution, base, plan, delta,
                                                             entry_.examples));
  }

  absl::Status AwaitOutcome() {
    progress_.Untrack(entry_.contribution);
    v1::GetContributionRequest request;
    request.set_name(entry_.contribution);
    Backoff backoff(absl::Milliseconds(100), absl::Seconds(5));
    const absl::Time end = absl::Now() + kOutcomeWait;
    while (true) {
      FEDERITY_ASSIGN_OR_RETURN(
          const v1::Contribution contribution,
          identity::Call(*stub_, &Service::Stub::GetContribution, request, kCall));
      switch (contribution.state()) {
        case v1::Contribution::ACCEPTED:
          return Settle("accepted", StrCat("the update of ", entry_.examples,
                                           " examples is part of the merge"));
        case v1::Contribution::REFUSED:
          return Settle("refused", contribution.refusal());
        case v1::Contribution::ABANDONED:
          return Settle("dropped", contribution.refusal());
        default:
          break;
      }
      if (absl::Now() > end)
        return absl::UnavailableError("the coordinator still verifies the update");
      const absl::Time wake = absl::Now() + backoff.Next();
      while (absl::Now() < wake) {
        if (cancellation_.cancelled()) return absl::CancelledError(cancellation_.reason());
        absl::SleepFor(absl::Milliseconds(20));
      }
    }
  }

  absl::Status Record(Step step) {
    entry_.step = step;
    return context_.outbox.Update(entry_);
  }

  absl::Status Settle(std::string_view event, std::string_view text) {
    settled_ = true;
    Note(event, text);
    return context_.outbox.Remove(entry_.contribution);
  }

  void Note(std::string_view event, std::string_view text) {
    context_.journal.Append(event, ShortName(entry_.repository),
                            StrCat(RoundOf(entry_.contribution), ": ", text));
  }

  Context& context_;
  ProgressReporter& progress_;
  state::OutboxEntry entry_;
  const Cancellation& cancellation_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<Service::Stub> stub_;
  bool settled_ = false;
  bool declared_anew_ = false;
};

// A cancelled entry stays for the next process, or goes with a line that says why.
absl::Status AfterCancellation(Context& context, const state::OutboxEntry& entry,
                               const Cancellation& cancellation) {
  if (cancellation.cause() != Cancellation::Cause::kStopping) {
    if (cancellation.cause() == Cancellation::Cause::kWithdrawn && entry.step != Step::kSubmitted)
      Abandon(context, entry.identity, entry.contribution, cancellation.reason());
    context.journal.Append("dropped", ShortName(entry.repository),
                           StrCat(RoundOf(entry.contribution), ": ", cancellation.reason()));
    FEDERITY_RETURN_IF_ERROR(context.outbox.Remove(entry.contribution));
  }
  return absl::CancelledError(cancellation.reason());
}

}  // namespace

absl::Status Deliver(Context& context, ProgressReporter& progress, std::string_view contribution,
                     const Cancellation& cancellation) {
  std::optional<state::OutboxEntry> entry = context.outbox.Find(contribution);
  if (!entry) return absl::OkStatus();
  FEDERITY_ASSIGN_OR_RETURN(auto channel, context.identities.Connect(entry->identity));
  if (entry->step != Step::kSubmitted) progress.Track(contribution, entry->identity);
  const absl::Status status =
      Delivery(context, progress, *entry, cancellation, std::move(channel)).Run();
  if (!status.ok() && cancellation.cancelled())
    return AfterCancellation(context, *entry, cancellation);
  return status;
}

void Abandon(Context& context, std::string_view identity, std::string_view contribution,
             std::string_view reason) {
  const auto channel = context.identities.Connect(identity);
  absl::Status status = channel.status();
  if (channel.ok()) {
    v1::AbandonContributionRequest request;
    request.set_name(std::string(contribution));
    request.set_reason(ToValidUtf8(reason, 500));
    request.set_request_id(crypto::RandomUuid());
    status = identity::Call(*Service::NewStub(*channel), &Service::Stub::AbandonContribution,
                            request, kCall)
                 .status();
  }
  if (!status.ok())
    log::Warning(
        "the coordinator was not told that an assignment is given up",
        {{"contribution", std::string(contribution)}, {"error", std::string(status.message())}});
}

}  // namespace federity::agent
