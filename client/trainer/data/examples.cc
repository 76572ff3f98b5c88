#include "client/trainer/data/examples.h"

#include <cmath>
#include <utility>

#include "client/trainer/failure.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::trainer {
namespace {

constexpr int64_t kProblemsBeforeGivingUp = 4;

// Progress of source i of n.
ReadProgress PartOf(const ReadProgress& progress, size_t i, size_t n) {
  if (!progress) return {};
  return [&progress, i, n](double fraction) {
    progress((static_cast<double>(i) + fraction) / static_cast<double>(n));
  };
}

absl::Status ReadAll(std::span<const DataSource> sources, const Plan& plan,
                     const RowConsumer& consume, const ReadProgress& progress) {
  for (size_t i = 0; i < sources.size(); ++i) {
    Problems problems(kProblemsBeforeGivingUp);
    FEDERITY_RETURN_IF_ERROR(
        ReadSource(sources[i], plan, consume, problems, PartOf(progress, i, sources.size())));
    FEDERITY_RETURN_IF_ERROR(problems.ToStatus());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadSource(const DataSource& source, const Plan& plan, const RowConsumer& consume,
                        Problems& problems, const ReadProgress& progress) {
  if (source.format == "csv") return ReadCsvTable(source, plan, consume, problems, progress);
  if (source.format == "idx") return ReadIdx(source, plan, consume, problems, progress);
  if (source.format == "image_folder") {
    return ReadImageFolder(source, plan, consume, problems, progress);
  }
  return Failure(kDataInvalid, StrCat("there is no data format '", source.format, "'"));
}

absl::StatusOr<InputTransform> InputTransform::Create(const Plan& plan, std::vector<double> mean,
                                                      std::vector<double> sd) {
  if (mean.empty() && sd.empty() && plan.data.standardise == Plan::Standardise::kFixed) {
    mean = plan.data.mean;
    sd = plan.data.sd;
  }
  const bool wanted = plan.data.standardise != Plan::Standardise::kNone;
  if (wanted && mean.empty()) {
    return Failure(kDataInvalid,
                   "the plan wants a federated standardisation and there is none yet; a maintainer "
                   "makes it with `federity stats run`");
  }
  const bool images = plan.data.kind == Plan::DataKind::kImages;
  const auto size = static_cast<size_t>(images ? plan.data.shape[0] : plan.input_size());
  if (mean.size() != sd.size() || (!mean.empty() && mean.size() != size)) {
    return Failure(kDataInvalid,
                   StrCat("the standardisation has ", mean.size(), " means and ", sd.size(),
                          " deviations for ", size, images ? " channels" : " features"));
  }
  for (size_t i = 0; i < sd.size(); ++i) {
    if (!(sd[i] > 0) || !std::isfinite(sd[i]) || !std::isfinite(mean[i])) {
      return Failure(kDataInvalid, StrCat("the standardisation of value ", i + 1,
                                          " is not finite or its deviation not positive"));
    }
  }
  InputTransform transform;
  transform.mean_ = std::move(mean);
  transform.sd_ = std::move(sd);
  transform.values_per_mean_ = static_cast<size_t>(plan.input_size()) / size;
  transform.low_ = plan.data.range_low;
  transform.high_ = plan.data.range_high;
  return transform;
}

float InputTransform::Apply(size_t feature, double value) {
  if (std::isnan(value)) return 0.0F;
  if (!mean_.empty()) {
    const size_t i = feature / values_per_mean_;
    value = (value - mean_[i]) / sd_[i];
  }
  if (value < low_ || value > high_) {
    ++clipped_;
    value = value < low_ ? low_ : high_;
  }
  return static_cast<float>(value);
}

absl::StatusOr<Examples> LoadExamples(std::span<const DataSource> sources, const Plan& plan,
                                      InputTransform transform, const ReadProgress& progress) {
  Examples examples{.width = plan.input_size()};
  const auto consume = [&](std::span<const double> values, double label) {
    for (size_t i = 0; i < values.size(); ++i) {
      examples.values.push_back(transform.Apply(i, values[i]));
    }
    examples.labels.push_back(static_cast<float>(label));
    ++examples.rows;
  };
  FEDERITY_RETURN_IF_ERROR(ReadAll(sources, plan, consume, progress));
  if (examples.rows == 0) return Failure(kDataInvalid, "the data set has no rows");
  examples.clipped = transform.clipped();
  return examples;
}

absl::StatusOr<DataReport> CheckSource(const DataSource& source, const Plan& plan,
                                       int64_t max_problems, const ReadProgress& progress) {
  DataReport report;
  report.class_counts.resize(plan.data.classes.size());
  const bool transformed = plan.data.standardise != Plan::Standardise::kFederated;
  InputTransform transform;
  if (transformed) {
    FEDERITY_ASSIGN_OR_RETURN(transform, InputTransform::Create(plan, {}, {}));
  }
  const auto consume = [&](std::span<const double> values, double label) {
    ++report.rows;
    if (!report.class_counts.empty()) ++report.class_counts[static_cast<size_t>(label)];
    for (size_t i = 0; transformed && i < values.size(); ++i) transform.Apply(i, values[i]);
  };
  Problems problems(max_problems);
  const absl::Status status = ReadSource(source, plan, consume, problems, progress);
  // What stops the reading is the last of the problems: the user sees all.
  if (!status.ok()) {
    if (FailureReason(status) != kDataInvalid) return status;
    problems.Add(0, "", std::string(status.message()));
  }
  if (report.rows == 0 && problems.empty()) problems.Add(0, "", "the data set has no rows");
  report.clipped = transform.clipped();
  report.problems = problems.list();
  return report;
}

absl::StatusOr<std::vector<FixedFeatureSums>> SumSources(std::span<const DataSource> sources,
                                                         const Plan& plan,
                                                         const ReadProgress& progress) {
  std::vector<double> rows;
  const auto consume = [&rows](std::span<const double> values, double) {
    rows.insert(rows.end(), values.begin(), values.end());
  };
  FEDERITY_RETURN_IF_ERROR(ReadAll(sources, plan, consume, progress));
  auto sums = ComputeFeatureSums(rows, static_cast<size_t>(plan.input_size()));
  if (!sums.ok()) return Failure(kDataInvalid, ToStd(sums.status().message()));
  return sums;
}

}  // namespace federity::trainer
