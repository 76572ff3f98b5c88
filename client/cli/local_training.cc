#include "client/cli/local_training.h"

#include <system_error>

#include "common/base/errors.h"
#include "common/base/strings.h"

namespace federity::cli {

absl::StatusOr<std::vector<DataFile>> DataFiles(const std::vector<std::string>& paths,
                                                const std::vector<std::string>& labels,
                                                const DataShape& shape) {
  if (shape.format == "idx" && labels.size() != paths.size()) {
    return InvalidArgument("labels", "IDX data need a labels file each (--labels)");
  }
  if (!labels.empty() && labels.size() != paths.size()) {
    return InvalidArgument("labels", StrCat(labels.size(), " label files for ", paths.size(),
                                            " data files; give one for each"));
  }
  std::vector<DataFile> files;
  for (size_t i = 0; i < paths.size(); ++i) {
    std::error_code error;
    if (!std::filesystem::exists(paths[i], error)) {
      return InvalidArgument("data", StrCat("there is no file or folder '", paths[i], "'"));
    }
    files.push_back(
        {.path = paths[i], .dataset = DatasetAt(paths[i], labels.empty() ? "" : labels[i], shape)});
  }
  return files;
}

void AddDataShape(CLI::App* command, DataShape& shape) {
  command->add_option("--label", shape.label_column,
                      "CSV: the label's column, if the plan names it otherwise");
  command->add_option("--format", shape.format, "csv, image_folder or idx; default: by the look")
      ->check(CLI::IsMember({"csv", "image_folder", "idx"}));
}

absl::StatusOr<StandardisationValues> PooledStandardisation(CliContext& cli, const Plan& plan,
                                                            const std::vector<DataFile>& files) {
  worker::v1::Request request;
  request.mutable_sums()->set_plan_toml(FormatPlan(plan));
  for (const DataFile& file : files) *request.mutable_sums()->add_datasets() = file.dataset;
  FEDERITY_ASSIGN_OR_RETURN(const worker::v1::Result result,
                            RunJob(cli, request, "summing the features"));
  std::vector<FixedFeatureSums> sums;
  const int size = result.sums_size();
  if (result.sums_of_squares_size() != size || result.counts_size() != size) {
    return absl::InternalError("the trainer's sums do not fit together");
  }
  for (int i = 0; i < size; ++i) {
    sums.push_back({.sum = result.sums(i),
                    .sum_of_squares = result.sums_of_squares(i),
                    .count = result.counts(i)});
  }
  return FreezeStandardisation({sums}, static_cast<size_t>(plan.input_size()));
}

worker::v1::Standardisation ToWorker(const StandardisationValues& values) {
  worker::v1::Standardisation out;
  out.mutable_mean()->Assign(values.mean.begin(), values.mean.end());
  out.mutable_sd()->Assign(values.sd.begin(), values.sd.end());
  return out;
}

absl::StatusOr<Figures> Evaluate(CliContext& cli, const LocalModel& model, const DataFile& file) {
  worker::v1::Request request;
  worker::v1::Evaluate& job = *request.mutable_evaluate();
  job.set_program_path(model.parts.program.string());
  job.set_weights_path(model.parts.weights.string());
  job.set_plan_toml(FormatPlan(model.plan));
  *job.add_datasets() = file.dataset;
  *job.mutable_standardisation() = model.standardisation;
  *job.mutable_resources() = model.resources;
  FEDERITY_ASSIGN_OR_RETURN(const worker::v1::Result result,
                            RunJob(cli, request, StrCat("measuring on ", file.path)));
  return FiguresOf(result.metrics());
}

}  // namespace federity::cli
