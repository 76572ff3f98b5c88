#include "client/trainer/worker/jobs.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_join.h"
#include "client/trainer/data/examples.h"
#include "client/trainer/data/sampling.h"
#include "client/trainer/failure.h"
#include "client/trainer/worker/training.h"
#include "client/trainer/worker/weights_io.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::trainer {
namespace {

namespace v1 = worker::v1;
using ::google::protobuf::RepeatedPtrField;

constexpr int kRead = O_RDONLY;
constexpr int kWrite = O_RDWR | O_CREAT | O_TRUNC;  // Split reads its weights again

absl::Status Open(const std::string& path, int flags, std::string_view reason,
                  FileDescriptor& out) {
  if (path.empty()) return absl::OkStatus();
  auto file = OpenFile(path, flags);
  if (!file.ok()) {
    return Failure(flags == kRead ? reason : kInternal,
                   StrCat("can't open a file: ", std::string(file.status().message())));
  }
  out = *std::move(file);
  return absl::OkStatus();
}

absl::Status OpenSources(const RepeatedPtrField<v1::Dataset>& datasets, JobFiles& files) {
  for (const v1::Dataset& dataset : datasets) {
    DataSource source{.format = dataset.format(), .label_column = dataset.label_column()};
    if (dataset.format() == "image_folder") {
      source.folder = dataset.path();
    } else {
      FEDERITY_RETURN_IF_ERROR(Open(dataset.path(), kRead, kDataInvalid, source.file));
      FEDERITY_RETURN_IF_ERROR(Open(dataset.labels_path(), kRead, kDataInvalid, source.labels));
    }
    files.sources.push_back(std::move(source));
  }
  return absl::OkStatus();
}

absl::StatusOr<Plan> ParseJobPlan(const std::string& toml) {
  auto plan = ParsePlan(toml);
  if (!plan.ok()) return Failure(kInternal, std::string(plan.status().message()));
  return plan;
}

ReadProgress ReadingProgress(Reporter& reporter) {
  return [&reporter](double fraction) { reporter.Progress("reading", fraction, std::nan("")); };
}
StepProgress PhaseProgress(Reporter& reporter, std::string phase) {
  return [&reporter, phase = std::move(phase)](double fraction, double loss) {
    reporter.Progress(phase, fraction, loss);
  };
}

absl::StatusOr<std::unique_ptr<Model>> LoadTogether(const JobContext& context) {
  FEDERITY_ASSIGN_OR_RETURN(auto model,
                            Model::Load(context.files.program.get(), context.load_options));
  FEDERITY_RETURN_IF_ERROR(ReadWeights(*model, context.files.weights.get()));
  return model;
}

template <typename Read>
auto OnDataThread(const JobContext& context, Read read) {
  std::optional<decltype(read())> result;
  context.data.Run([&] { result.emplace(read()); });
  return *std::move(result);
}

template <typename Job>
absl::StatusOr<Examples> Load(const JobContext& context, const Plan& plan, const Job& job) {
  const auto& standardisation = job.standardisation();
  FEDERITY_ASSIGN_OR_RETURN(
      InputTransform transform,
      InputTransform::Create(plan, {standardisation.mean().begin(), standardisation.mean().end()},
                             {standardisation.sd().begin(), standardisation.sd().end()}));
  return OnDataThread(context, [&] {
    return LoadExamples(context.files.sources, plan, std::move(transform),
                        ReadingProgress(context.reporter));
  });
}

void SetMetrics(const Measurement& measured, v1::Metrics& metrics) {
  metrics.set_examples(measured.examples);
  metrics.set_loss_sum(measured.loss_sum);
  metrics.mutable_confusion()->Add(measured.confusion.begin(), measured.confusion.end());
}

absl::Status WriteAndSync(int fd, std::string_view bytes) {
  FEDERITY_RETURN_IF_ERROR(WriteFully(fd, bytes, 0));
  return fsync(fd) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "an output file of the trainer");
}

std::string DescribeTensor(const tensor::TensorInfo& info) {
  return StrCat(info.name, " ", tensor::DTypeName(info.dtype), " [",
                absl::StrJoin(info.shape, ", "), "]",
                info.kind == tensor::TensorKind::kBuffer ? " buffer" : "");
}

absl::StatusOr<v1::Result> SplitModel(const JobContext& context) {
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, ParseJobPlan(context.request.split().plan_toml()));
  FEDERITY_ASSIGN_OR_RETURN(const auto model,
                            Model::Load(context.files.model.get(), context.load_options));
  v1::Result result;
  for (std::string& warning : model->Warnings()) result.add_warnings(std::move(warning));
  FEDERITY_RETURN_IF_ERROR(WriteWeights(*model, context.files.weights.get()));
  FEDERITY_ASSIGN_OR_RETURN(const std::string program, model->TakeProgram());
  FEDERITY_RETURN_IF_ERROR(WriteAndSync(context.files.program.get(), program));

  // What contributors will do, with the files that they will get.
  FEDERITY_ASSIGN_OR_RETURN(const auto joined, Model::LoadBytes(program, context.load_options));
  FEDERITY_RETURN_IF_ERROR(ReadWeights(*joined, context.files.weights.get()));
  FEDERITY_ASSIGN_OR_RETURN(std::vector<std::string> warnings, DryRun(*joined, plan));
  for (std::string& warning : warnings) result.add_warnings(std::move(warning));
  int64_t elements = 0;
  for (const tensor::TensorInfo& info : model->spec().tensors) {
    result.add_tensors(DescribeTensor(info));
    elements += info.elements();
  }
  result.set_parameter_count(elements);
  return result;
}

absl::StatusOr<v1::Result> JoinModel(const JobContext& context) {
  FEDERITY_ASSIGN_OR_RETURN(const auto model, LoadTogether(context));
  FEDERITY_ASSIGN_OR_RETURN(const std::string archive, model->Archive());
  FEDERITY_RETURN_IF_ERROR(WriteAndSync(context.files.model.get(), archive));
  return v1::Result();
}

absl::StatusOr<v1::Result> TrainOnData(const JobContext& context) {
  const v1::Train& job = context.request.train();
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, ParseJobPlan(job.plan_toml()));
  FEDERITY_ASSIGN_OR_RETURN(const auto model, LoadTogether(context));
  FEDERITY_ASSIGN_OR_RETURN(const Examples examples, Load(context, plan, job));
  const Split split = SplitHoldout(examples.rows, plan.training.holdout);
  v1::Result result;
  FEDERITY_ASSIGN_OR_RETURN(const Measurement base,
                            Measure(*model, plan, examples, split.holdout,
                                    PhaseProgress(context.reporter, "evaluating")));
  SetMetrics(base, *result.mutable_base_metrics());
  FEDERITY_ASSIGN_OR_RETURN(
      const TrainOutcome outcome,
      TrainModel(*model, plan, examples, split.train,
                 {.seed = job.seed(),
                  .epochs = job.epochs() > 0 ? job.epochs() : plan.training.epochs,
                  .cuda = context.cuda},
                 PhaseProgress(context.reporter, "training")));
  FEDERITY_ASSIGN_OR_RETURN(const Measurement trained,
                            Measure(*model, plan, examples, split.holdout,
                                    PhaseProgress(context.reporter, "evaluating")));
  SetMetrics(trained, *result.mutable_metrics());
  result.set_examples(static_cast<int64_t>(split.train.size()));
  result.set_train_loss(outcome.loss);
  result.set_train_seconds(outcome.seconds);
  result.set_clipped_values(examples.clipped);
  if (context.files.delta.valid()) {
    FEDERITY_RETURN_IF_ERROR(
        WriteDelta(*model, context.files.weights.get(), context.files.delta.get()));
  }
  if (context.files.trained_weights.valid()) {
    FEDERITY_RETURN_IF_ERROR(WriteWeights(*model, context.files.trained_weights.get()));
  }
  return result;
}

absl::StatusOr<v1::Result> EvaluateOnData(const JobContext& context) {
  const v1::Evaluate& job = context.request.evaluate();
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, ParseJobPlan(job.plan_toml()));
  FEDERITY_ASSIGN_OR_RETURN(const auto model, LoadTogether(context));
  FEDERITY_ASSIGN_OR_RETURN(const Examples examples, Load(context, plan, job));
  std::vector<int64_t> rows(static_cast<size_t>(examples.rows));
  std::iota(rows.begin(), rows.end(), int64_t{0});
  if (job.holdout_only()) rows = SplitHoldout(examples.rows, plan.training.holdout).holdout;
  FEDERITY_ASSIGN_OR_RETURN(
      const Measurement measured,
      Measure(*model, plan, examples, rows, PhaseProgress(context.reporter, "evaluating")));
  v1::Result result;
  SetMetrics(measured, *result.mutable_metrics());
  result.set_clipped_values(examples.clipped);
  return result;
}

absl::StatusOr<v1::Result> CheckDataset(const JobContext& context) {
  const v1::CheckData& job = context.request.check_data();
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, ParseJobPlan(job.plan_toml()));
  constexpr int32_t kMaxProblems = 1000;
  const int32_t max = job.max_problems() > 0 ? std::min(job.max_problems(), kMaxProblems) : 20;
  FEDERITY_ASSIGN_OR_RETURN(const DataReport report, OnDataThread(context, [&] {
                              return CheckSource(context.files.sources.front(), plan, max,
                                                 ReadingProgress(context.reporter));
                            }));
  v1::Result result;
  result.set_rows(report.rows);
  result.set_clipped_values(report.clipped);
  result.mutable_class_counts()->Add(report.class_counts.begin(), report.class_counts.end());
  for (const Problem& problem : report.problems) {
    auto& added = *result.add_problems();
    added.set_row(problem.row);
    added.set_column(problem.column);
    added.set_message(problem.message);
  }
  return result;
}

absl::StatusOr<v1::Result> SumData(const JobContext& context) {
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, ParseJobPlan(context.request.sums().plan_toml()));
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<FixedFeatureSums> sums, OnDataThread(context, [&] {
                              return SumSources(context.files.sources, plan,
                                                ReadingProgress(context.reporter));
                            }));
  v1::Result result;
  for (const FixedFeatureSums& feature : sums) {
    result.add_sums(feature.sum);
    result.add_sums_of_squares(feature.sum_of_squares);
    result.add_counts(feature.count);
  }
  return result;
}

}  // namespace

std::vector<std::filesystem::path> JobFiles::Folders() const {
  std::vector<std::filesystem::path> folders;
  for (const DataSource& source : sources) {
    if (!source.folder.empty()) folders.push_back(source.folder);
  }
  return folders;
}

absl::StatusOr<JobFiles> OpenJobFiles(const v1::Request& request) {
  JobFiles files;
  const auto open_model = [&](const auto& job) -> absl::Status {
    FEDERITY_RETURN_IF_ERROR(Open(job.program_path(), kRead, kModelUnreadable, files.program));
    return Open(job.weights_path(), kRead, kModelUnreadable, files.weights);
  };
  switch (request.job_case()) {
    case v1::Request::kSplit: {
      const v1::Split& job = request.split();
      FEDERITY_RETURN_IF_ERROR(Open(job.model_path(), kRead, kModelUnreadable, files.model));
      FEDERITY_RETURN_IF_ERROR(Open(job.program_path(), kWrite, kInternal, files.program));
      FEDERITY_RETURN_IF_ERROR(Open(job.weights_path(), kWrite, kInternal, files.weights));
      return files;
    }
    case v1::Request::kJoin:
      FEDERITY_RETURN_IF_ERROR(open_model(request.join()));
      FEDERITY_RETURN_IF_ERROR(Open(request.join().model_path(), kWrite, kInternal, files.model));
      return files;
    case v1::Request::kTrain: {
      const v1::Train& job = request.train();
      FEDERITY_RETURN_IF_ERROR(open_model(job));
      FEDERITY_RETURN_IF_ERROR(Open(job.delta_path(), kWrite, kInternal, files.delta));
      FEDERITY_RETURN_IF_ERROR(
          Open(job.trained_weights_path(), kWrite, kInternal, files.trained_weights));
      FEDERITY_RETURN_IF_ERROR(OpenSources(job.datasets(), files));
      return files;
    }
    case v1::Request::kEvaluate:
      FEDERITY_RETURN_IF_ERROR(open_model(request.evaluate()));
      FEDERITY_RETURN_IF_ERROR(OpenSources(request.evaluate().datasets(), files));
      return files;
    case v1::Request::kCheckData: {
      RepeatedPtrField<v1::Dataset> datasets;
      *datasets.Add() = request.check_data().dataset();
      FEDERITY_RETURN_IF_ERROR(OpenSources(datasets, files));
      return files;
    }
    case v1::Request::kSums:
      FEDERITY_RETURN_IF_ERROR(OpenSources(request.sums().datasets(), files));
      return files;
    case v1::Request::JOB_NOT_SET:
      break;
  }
  return Failure(kInternal, "the request names no job");
}

absl::StatusOr<v1::Result> RunRequestedJob(const JobContext& context) {
  switch (context.request.job_case()) {
    case v1::Request::kSplit:
      return SplitModel(context);
    case v1::Request::kJoin:
      return JoinModel(context);
    case v1::Request::kTrain:
      return TrainOnData(context);
    case v1::Request::kEvaluate:
      return EvaluateOnData(context);
    case v1::Request::kCheckData:
      return CheckDataset(context);
    case v1::Request::kSums:
      return SumData(context);
    case v1::Request::JOB_NOT_SET:
      break;
  }
  return Failure(kInternal, "the request names no job");
}

}  // namespace federity::trainer
