#ifndef FEDERITY_CLIENT_CLI_LOCAL_TRAINING_H_
#define FEDERITY_CLIENT_CLI_LOCAL_TRAINING_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/cli_context.h"
#include "client/cli/figures.h"
#include "client/cli/jobs.h"
#include "common/plan/plan.h"
#include "common/plan/standardisation.h"
#include "federity/worker/v1/worker.pb.h"

namespace federity::cli {

// Data named on the command line, before it is opened.
struct DataFile {
  std::string path;
  worker::v1::Dataset dataset;
};
// One for each path; `labels` are IDX label files, one for each or none.
absl::StatusOr<std::vector<DataFile>> DataFiles(const std::vector<std::string>& paths,
                                                const std::vector<std::string>& labels,
                                                const DataShape& shape);

// Mean and sd for a plan that is to be federated, from the sums over files of
// this machine, exactly as the coordinator freezes them.
absl::StatusOr<StandardisationValues> PooledStandardisation(CliContext& cli, const Plan& plan,
                                                            const std::vector<DataFile>& files);
worker::v1::Standardisation ToWorker(const StandardisationValues& values);

// What all jobs on one model share.
struct LocalModel {
  ModelParts parts;
  Plan plan;
  worker::v1::Standardisation standardisation;  // empty: the plan's own, or none
  worker::v1::Resources resources;
};

// The options --label and --format.
void AddDataShape(CLI::App* command, DataShape& shape);

// Measures weights on all rows of one file.
absl::StatusOr<Figures> Evaluate(CliContext& cli, const LocalModel& model, const DataFile& file);

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_LOCAL_TRAINING_H_
