#ifndef FEDERITY_CLIENT_CLI_JOBS_H_
#define FEDERITY_CLIENT_CLI_JOBS_H_

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/cli_context.h"
#include "client/cli/session.h"
#include "client/transfer/transfer.h"
#include "common/crypto/digest.h"
#include "common/plan/plan.h"
#include "federity/worker/v1/worker.pb.h"

namespace federity::cli {

// Work in the trainer child and transfers, each with its progress bar. An
// InterruptScope ends them with CANCELLED.

absl::StatusOr<worker::v1::Result> RunJob(CliContext& cli, const worker::v1::Request& request,
                                          std::string_view label);

// A model apart: what a commit consists of.
struct ModelParts {
  std::filesystem::path program;
  std::filesystem::path weights;
};
struct SplitModel {
  ModelParts parts;
  crypto::Digest program_digest;
  crypto::Digest weights_digest;
  worker::v1::Result result;  // parameter_count, tensors, warnings
};
// Splits a TorchScript archive into `folder` and tries it against the plan.
absl::StatusOr<SplitModel> Split(CliContext& cli, const std::filesystem::path& model,
                                 const Plan& plan, const std::filesystem::path& folder);
// Puts a model together again.
absl::Status JoinModel(CliContext& cli, const ModelParts& parts,
                       const std::filesystem::path& model);

// Uploads a file for the commit after `head`, and goes on with an upload of the
// same bytes for the same commit that broke off earlier.
absl::StatusOr<std::string> Upload(CliContext& cli, const Session& session,
                                   const std::filesystem::path& file, const crypto::Digest& digest,
                                   std::string_view purpose, std::string_view label);
// Downloads one part of a commit, going on with what a broken call left.
absl::Status Download(CliContext& cli, const Session& session, const v1::Commit& commit,
                      v1::CommitPart part, const std::filesystem::path& file,
                      std::string_view label);
// Both parts into a folder.
absl::StatusOr<ModelParts> DownloadModel(CliContext& cli, const Session& session,
                                         const v1::Commit& commit,
                                         const std::filesystem::path& folder);

// A plan from a file, checked; its warnings are noted.
absl::StatusOr<Plan> ReadPlan(CliContext& cli, const std::filesystem::path& file);

// The data set at `path`. Without a format: a folder is an image folder; with
// `labels` it is IDX; else CSV.
struct DataShape {
  std::string format;        // "", "csv", "image_folder", "idx"
  std::string label_column;  // CSV
};
worker::v1::Dataset DatasetAt(const std::string& path, const std::string& labels,
                              const DataShape& shape);

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_JOBS_H_
