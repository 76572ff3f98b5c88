#include "client/agent/runner.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/agent/approval.h"
#include "client/agent/conversions.h"
#include "client/agent/dataset_watch.h"
#include "client/agent/delivery.h"
#include "client/agent/names.h"
#include "client/agent/public_reason.h"
#include "client/identity/call.h"
#include "common/base/encoding.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/file_digest.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"
#include "common/rpc/status_codec.h"
#include "federity/v1/contributions.grpc.pb.h"
#include "federity/v1/statistics.grpc.pb.h"

namespace federity::agent {
namespace {

using Cause = Cancellation::Cause;

// A coordinator that asks for less learns no sums over fewer rows than this.
constexpr int64_t kMinStatisticsRows = 20;
const identity::CallOptions kCall = {.deadline = absl::Seconds(15),
                                     .give_up_after = absl::Seconds(30)};

// A contribution or commit that is not of the membership's repository is none
// of its business.
absl::Status CheckBelongs(const Work& work, std::string_view resource_name) {
  FEDERITY_ASSIGN_OR_RETURN(const ResourceName name, ParseResourceName(resource_name));
  if (name.repository.empty() || name.repository_name() != work.repository)
    return InvalidArgument("name", StrCat("'", resource_name, "' is not of ", work.repository));
  return absl::OkStatus();
}

// The key that the membership's coordinator signs with.
absl::StatusOr<std::string> CoordinatorKey(identity::IdentityStore& identities, const Work& work) {
  FEDERITY_ASSIGN_OR_RETURN(identity::Identity identity, identities.Get(work.identity));
  return std::move(identity.coordinator_key);
}

Work AsDelivery(Work work) {
  work.order = Delivery{};
  return work;
}

void AddDatasets(const state::Membership& membership,
                 google::protobuf::RepeatedPtrField<worker::v1::Dataset>& datasets) {
  for (const state::Dataset& dataset : membership.datasets)
    *datasets.Add() = datasets::ToWorker(dataset.source);
}

// A folder for one trainer run; gone with it.
class WorkFolder {
 public:
  explicit WorkFolder(std::filesystem::path path) : path_(std::move(path)) { Remove(); }
  ~WorkFolder() { Remove(); }
  absl::Status Make() const { return MakeDirectories(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  void Remove() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path path_;
};

}  // namespace

Runner::Outcome Runner::Run(const Work& work, const Cancellation& cancellation) {
  if (const auto* order = std::get_if<v1::TrainingAssignment>(&work.order))
    return Train(work, *order, cancellation);
  if (const auto* order = std::get_if<v1::StatisticsAssignment>(&work.order))
    return SumStatistics(work, *order, cancellation);
  if (const auto* order = std::get_if<v1::EvaluationAssignment>(&work.order))
    return Evaluate(work, *order, cancellation);
  if (std::holds_alternative<Delivery>(work.order)) return DeliverEntry(work, cancellation);
  return {CheckDatasetsUnchanged(context_, work.identity, [&] { return cancellation.cancelled(); }),
          std::nullopt};
}

Runner::Outcome Runner::Train(const Work& work, const v1::TrainingAssignment& assignment,
                              const Cancellation& cancellation) {
  if (context_.outbox.Find(work.key)) return DeliverEntry(work, cancellation);
  progress_.Track(work.key, work.identity);
  const absl::Status status = TrainToOutbox(work, assignment, cancellation);
  if (status.ok()) return DeliverEntry(work, cancellation);
  const absl::Time deadline = absl::FromUnixSeconds(assignment.deadline().seconds());
  if (!cancellation.cancelled() && rpc::IsRetryable(status) && context_.clock.Now() < deadline)
    return {status, work};
  return GiveUp(work, status, cancellation);
}

Runner::Outcome Runner::GiveUp(const Work& work, const absl::Status& status,
                               const Cancellation& cancellation) {
  const std::string reason = cancellation.reason();
  switch (cancellation.cause()) {
    case Cause::kStopping:  // the coordinator assigns it again
      return {absl::OkStatus(), std::nullopt};
    case Cause::kUnwanted:
      Note(work, "dropped", reason);
      break;
    case Cause::kWithdrawn:
      Abandon(context_, work.identity, work.key, reason);
      Note(work, "given up", reason);
      break;
    case Cause::kNone:
      Abandon(context_, work.identity, work.key, PublicReason(status));
      Note(work, "failed", ToStd(status.message()));
      break;
  }
  progress_.Untrack(work.key);
  return {cancellation.cancelled() ? absl::OkStatus() : status, std::nullopt};
}

Runner::Outcome Runner::DeliverEntry(const Work& work, const Cancellation& cancellation) {
  const absl::Status status = Deliver(context_, progress_, work.key, cancellation);
  if (status.ok() || cancellation.cancelled()) {
    progress_.Untrack(work.key);
    return {absl::OkStatus(), std::nullopt};
  }
  return {status, AsDelivery(work)};
}

absl::StatusOr<state::Membership> Runner::Admit(const Work& work,
                                                const Cancellation& cancellation) {
  const absl::Status unchanged =
      CheckDatasetsUnchanged(context_, work.identity, [&] { return cancellation.cancelled(); });
  if (absl::IsFailedPrecondition(unchanged))
    return WithPublicReason(unchanged, "declined: a data set changed on the workstation");
  FEDERITY_RETURN_IF_ERROR(unchanged);
  state::Membership membership = context_.state.Get(work.identity);
  // A round that was counted just before a crash is still its own.
  if (membership.approval && membership.approval->last_counted == work.key)
    --membership.approval->rounds_used;
  const std::string why =
      WhyNotReady(membership, context_.state.paused(), context_.clock.Now(), context_.zone);
  if (why.empty()) return membership;
  const std::string text = StrCat("declined: ", why);
  return WithPublicReason(absl::FailedPreconditionError(text), text);
}

absl::StatusOr<Runner::Prepared> Runner::PrepareTraining(const Work& work,
                                                         const v1::TrainingAssignment& assignment,
                                                         const Cancellation& cancellation) {
  const v1::Commit& base = assignment.base_commit();
  FEDERITY_RETURN_IF_ERROR(CheckBelongs(work, work.key));
  FEDERITY_RETURN_IF_ERROR(CheckBelongs(work, base.name()));
  Prepared prepared;
  FEDERITY_ASSIGN_OR_RETURN(prepared.membership, Admit(work, cancellation));
  FEDERITY_ASSIGN_OR_RETURN(prepared.plan,
                            CheckPlanApproved(prepared.membership, assignment.plan_toml()));
  FEDERITY_RETURN_IF_ERROR(CheckProgramApproved(prepared.membership, base.program_digest()));
  worker::v1::Train& train = *prepared.request.mutable_train();
  FEDERITY_ASSIGN_OR_RETURN(const std::string coordinator_key,
                            CoordinatorKey(context_.identities, work));
  FEDERITY_RETURN_IF_ERROR(FillStandardisation(prepared.plan, assignment.standardisation(),
                                               coordinator_key, *train.mutable_standardisation()));
  FEDERITY_ASSIGN_OR_RETURN(const ModelCache::Files files, Download(work, base, cancellation));
  train.set_program_path(files.program.string());
  train.set_weights_path(files.weights.string());
  train.set_plan_toml(FormatPlan(prepared.plan));
  AddDatasets(prepared.membership, *train.mutable_datasets());
  train.set_seed(assignment.seed());
  FillResources(prepared.membership, *train.mutable_resources());
  return prepared;
}

absl::Status Runner::TrainToOutbox(const Work& work, const v1::TrainingAssignment& assignment,
                                   const Cancellation& cancellation) {
  FEDERITY_ASSIGN_OR_RETURN(Prepared prepared, PrepareTraining(work, assignment, cancellation));
  const WorkFolder folder(context_.paths.work() / "train");
  FEDERITY_RETURN_IF_ERROR(folder.Make());
  const std::filesystem::path delta = folder.path() / "delta.safetensors";
  prepared.request.mutable_train()->set_delta_path(delta.string());
  FEDERITY_ASSIGN_OR_RETURN(const worker::v1::Result result,
                            RunTrainer(work, prepared.request, cancellation));
  // What the trainer read must be what was registered.
  if (absl::Status status = CheckDatasetsUnchanged(context_, work.identity, {}); !status.ok())
    return WithPublicReason(status, "a data set changed during training");
  state::OutboxEntry entry;
  entry.contribution = work.key;
  entry.identity = work.identity;
  entry.repository = work.repository;
  entry.base_commit_digest = assignment.base_commit().digest();
  entry.plan_digest = PlanDigest(prepared.plan).ToString();
  FEDERITY_ASSIGN_OR_RETURN(const crypto::FileContent content, crypto::DigestFile(delta));
  entry.delta_digest = content.digest.ToString();
  entry.examples = result.examples();
  entry.base_metrics = ToMetrics(result.base_metrics());
  entry.train_seconds = result.train_seconds();
  entry.device = device_;
  entry.time = context_.clock.Now();
  entry.upload_request_id = crypto::RandomUuid();
  entry.submit_request_id = crypto::RandomUuid();
  FEDERITY_RETURN_IF_ERROR(CountRound(work));
  FEDERITY_RETURN_IF_ERROR(context_.outbox.Add(entry, delta));
  Note(work, "trained",
       absl::StrFormat("%d examples in %.1f s on %s, mean loss %.4g", result.examples(),
                       result.train_seconds(), device_, result.train_loss()));
  return absl::OkStatus();
}

// Before the update can leave, so that no crash gives a round for nothing.
absl::Status Runner::CountRound(const Work& work) {
  return context_.state.Update(work.identity, [&](state::Membership& membership) {
    if (!membership.approval)
      return WithPublicReason(absl::FailedPreconditionError("the approval was revoked"),
                              "the approval was revoked");
    if (membership.approval->last_counted == work.key) return absl::OkStatus();
    membership.approval->last_counted = work.key;
    ++membership.approval->rounds_used;
    return absl::OkStatus();
  });
}

absl::StatusOr<ModelCache::Files> Runner::Download(const Work& work, const v1::Commit& commit,
                                                   const Cancellation& cancellation) {
  FEDERITY_ASSIGN_OR_RETURN(const auto channel, context_.identities.Connect(work.identity));
  transfer::TransferOptions options;
  options.on_progress = [&](int64_t done, int64_t total) {
    progress_.Set(work.key, v1::CONTRIBUTION_PHASE_DOWNLOADING,
                  static_cast<double>(done) / static_cast<double>(std::max<int64_t>(total, 1)));
  };
  options.cancelled = [&] { return cancellation.cancelled(); };
  options.give_up_after = absl::Minutes(1);
  options.first_pause = context_.first_pause;
  return cache_.Fetch(channel, commit, options);
}

absl::StatusOr<worker::v1::Result> Runner::RunTrainer(const Work& work,
                                                      const worker::v1::Request& request,
                                                      const Cancellation& cancellation) {
  trainer::JobOptions options;
  options.program = context_.config.trainer;
  options.cancelled = [&] { return cancellation.cancelled(); };
  options.on_started = [&](const worker::v1::Started& started) {
    device_ = started.device();
    log::Info("trainer started", {{"device", started.device()},
                                  {"libtorch", started.libtorch_version()},
                                  {"sandbox", absl::StrJoin(started.layers(), "; ")}});
  };
  options.on_progress = [&](const worker::v1::Progress& progress) {
    progress_.Set(work.key, v1::CONTRIBUTION_PHASE_TRAINING, progress.fraction());
  };
  device_.clear();
  progress_.Set(work.key, v1::CONTRIBUTION_PHASE_TRAINING, 0);
  absl::StatusOr<worker::v1::Result> result = context_.run_job(request, options);
  if (!result.ok()) return DescribeTrainerError(result.status());
  return result;
}

void Runner::FillResources(const state::Membership& membership,
                           worker::v1::Resources& resources) const {
  const state::Limits& limits = membership.approval->limits;
  resources.set_cpus(limits.cpus > 0 ? limits.cpus : context_.config.cpus);
  resources.set_memory_bytes(limits.memory_bytes > 0 ? limits.memory_bytes
                                                     : context_.config.memory_bytes);
  resources.set_device(context_.config.device);
}

Runner::Outcome Runner::SumStatistics(const Work& work, const v1::StatisticsAssignment& assignment,
                                      const Cancellation& cancellation) {
  absl::StatusOr<v1::SubmitStatisticsRequest> request = ComputeSums(work, assignment, cancellation);
  if (cancellation.cancelled()) return {absl::OkStatus(), std::nullopt};
  const absl::Status failure = request.status();
  if (!failure.ok()) {
    request.emplace();
    request->set_abstain_reason(ToValidUtf8(PublicReason(failure), 500));
  }
  request->set_name(assignment.run());
  request->set_request_id(crypto::RandomUuid());
  const auto channel = context_.identities.Connect(work.identity);
  absl::Status status = channel.status();
  if (channel.ok())
    status = identity::Call(*v1::StatisticsService::NewStub(*channel),
                            &v1::StatisticsService::Stub::SubmitStatistics, *request, kCall)
                 .status();
  if (!status.ok()) {
    Note(work, "failed", StrCat("federated statistics: ", ToStd(status.message())));
  } else if (!failure.ok()) {
    Note(work, "abstained", StrCat("federated statistics: ", ToStd(failure.message())));
  } else {
    Note(work, "statistics", StrCat("sums of ", request->features_size(), " features are sent"));
  }
  return {failure.ok() ? status : failure, std::nullopt};
}

absl::StatusOr<v1::SubmitStatisticsRequest> Runner::ComputeSums(
    const Work& work, const v1::StatisticsAssignment& assignment,
    const Cancellation& cancellation) {
  FEDERITY_RETURN_IF_ERROR(CheckBelongs(work, assignment.run()));
  FEDERITY_ASSIGN_OR_RETURN(const state::Membership membership, Admit(work, cancellation));
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, CheckPlanApproved(membership, assignment.plan_toml()));
  if (plan.data.standardise != Plan::Standardise::kFederated)
    return WithPublicReason(
        absl::FailedPreconditionError("the approved plan has no federated statistics"),
        "the approved plan has no federated statistics");
  worker::v1::Request request;
  request.mutable_sums()->set_plan_toml(FormatPlan(plan));
  AddDatasets(membership, *request.mutable_sums()->mutable_datasets());
  FEDERITY_ASSIGN_OR_RETURN(const worker::v1::Result result,
                            RunTrainer(work, request, cancellation));
  FEDERITY_RETURN_IF_ERROR(CheckDatasetsUnchanged(context_, work.identity, {}));
  const int features = static_cast<int>(plan.data.features.size());
  if (result.sums_size() != features || result.sums_of_squares_size() != features ||
      result.counts_size() != features)
    return absl::InternalError("the trainer did not sum every feature");
  const int64_t least = std::max(assignment.min_rows(), kMinStatisticsRows);
  v1::SubmitStatisticsRequest submission;
  for (int i = 0; i < features; ++i) {
    if (result.counts(i) < least) {
      const std::string text = StrCat("fewer than ", least, " rows");
      return WithPublicReason(Error(v1::ERROR_REASON_TOO_FEW_ROWS, text), text);
    }
    v1::FeatureSums& sums = *submission.add_features();
    sums.set_sum(result.sums(i));
    sums.set_sum_of_squares(result.sums_of_squares(i));
    sums.set_count(result.counts(i));
  }
  return submission;
}

// An evaluation is a courtesy: what can't be measured is not, and the
// coordinator goes on with the others'.
Runner::Outcome Runner::Evaluate(const Work& work, const v1::EvaluationAssignment& assignment,
                                 const Cancellation& cancellation) {
  const absl::StatusOr<v1::Metrics> metrics = Measure(work, assignment, cancellation);
  if (cancellation.cancelled()) return {absl::OkStatus(), std::nullopt};
  absl::Status status = metrics.status();
  if (metrics.ok()) {
    v1::SubmitEvaluationRequest request;
    request.set_commit(assignment.commit().name());
    *request.mutable_metrics() = *metrics;
    request.set_request_id(crypto::RandomUuid());
    const auto channel = context_.identities.Connect(work.identity);
    status = channel.status();
    if (channel.ok())
      status = identity::Call(*v1::ContributionService::NewStub(*channel),
                              &v1::ContributionService::Stub::SubmitEvaluation, request, kCall)
                   .status();
  }
  if (status.ok()) {
    Note(work, "evaluated",
         StrCat("version ", assignment.commit().version(), " on ", metrics->examples(),
                " hold-out rows"));
  } else {
    Note(work, "failed", StrCat("evaluation: ", ToStd(status.message())));
  }
  return {status, std::nullopt};
}

absl::StatusOr<v1::Metrics> Runner::Measure(const Work& work,
                                            const v1::EvaluationAssignment& assignment,
                                            const Cancellation& cancellation) {
  FEDERITY_RETURN_IF_ERROR(CheckBelongs(work, assignment.commit().name()));
  FEDERITY_ASSIGN_OR_RETURN(const state::Membership membership, Admit(work, cancellation));
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, CheckPlanApproved(membership, assignment.plan_toml()));
  FEDERITY_RETURN_IF_ERROR(CheckProgramApproved(membership, assignment.commit().program_digest()));
  worker::v1::Request request;
  worker::v1::Evaluate& evaluate = *request.mutable_evaluate();
  FEDERITY_ASSIGN_OR_RETURN(const std::string coordinator_key,
                            CoordinatorKey(context_.identities, work));
  FEDERITY_RETURN_IF_ERROR(FillStandardisation(plan, assignment.standardisation(), coordinator_key,
                                               *evaluate.mutable_standardisation()));
  FEDERITY_ASSIGN_OR_RETURN(const ModelCache::Files files,
                            Download(work, assignment.commit(), cancellation));
  evaluate.set_program_path(files.program.string());
  evaluate.set_weights_path(files.weights.string());
  evaluate.set_plan_toml(FormatPlan(plan));
  AddDatasets(membership, *evaluate.mutable_datasets());
  evaluate.set_holdout_only(true);
  FillResources(membership, *evaluate.mutable_resources());
  FEDERITY_ASSIGN_OR_RETURN(const worker::v1::Result result,
                            RunTrainer(work, request, cancellation));
  return ToMetrics(result.metrics());
}

void Runner::Note(const Work& work, std::string_view event, std::string_view text) {
  const bool contribution = std::holds_alternative<v1::TrainingAssignment>(work.order) ||
                            std::holds_alternative<Delivery>(work.order);
  context_.journal.Append(event, ShortName(work.repository),
                          contribution ? StrCat(RoundOf(work.key), ": ", text) : std::string(text));
}

}  // namespace federity::agent
