#include "client/cli/jobs.h"

#include <fcntl.h>

#include <cmath>

#include "absl/strings/str_format.h"
#include "client/cli/interrupt.h"
#include "client/terminal/progress.h"
#include "client/terminal/text.h"
#include "common/base/encoding.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/strings.h"
#include "common/crypto/file_digest.h"

namespace federity::cli {
namespace {

namespace fs = std::filesystem;
using terminal::ProgressBar;

constexpr int64_t kMaxPlanBytes = 1 << 20;

// A UUID (version 8, RFC 9562: of our own making) that follows from a text.
std::string UuidOf(std::string_view text) {
  const crypto::Digest digest = crypto::Sha256(text);
  std::string bytes(digest.view().substr(0, 16));
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x80);
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
  const std::string hex = HexEncode(bytes);
  return StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
                hex.substr(16, 4), "-", hex.substr(20));
}

absl::Status CheckReadable(const fs::path& file) { return OpenFile(file, O_RDONLY).status(); }

transfer::TransferOptions TransferWith(ProgressBar& bar) {
  return {.on_progress = [&bar](int64_t done, int64_t total) { bar.Update(done, total); },
          .cancelled = InterruptScope::Interrupted};
}

}  // namespace

absl::StatusOr<worker::v1::Result> RunJob(CliContext& cli, const worker::v1::Request& request,
                                          std::string_view label) {
  ProgressBar bar(cli.output, std::string(label), ProgressBar::Unit::kFraction);
  trainer::JobOptions options;
  options.cancelled = InterruptScope::Interrupted;
  options.on_progress = [&](const worker::v1::Progress& progress) {
    std::string text = StrCat(label, ": ", terminal::Printable(progress.phase()));
    if (std::isfinite(progress.loss()) && progress.loss() != 0) {
      text += absl::StrFormat(", loss %.4f", progress.loss());
    }
    bar.SetLabel(std::move(text));
    bar.Update(std::llround(progress.fraction() * 1000), 1000);
  };
  return cli.run_job(request, options);
}

absl::StatusOr<SplitModel> Split(CliContext& cli, const fs::path& model, const Plan& plan,
                                 const fs::path& folder) {
  FEDERITY_RETURN_IF_ERROR(CheckReadable(model));
  SplitModel out{
      .parts = {.program = folder / "program.pt", .weights = folder / "weights.safetensors"}};
  worker::v1::Request request;
  worker::v1::Split& job = *request.mutable_split();
  job.set_model_path(fs::absolute(model).string());
  job.set_program_path(out.parts.program.string());
  job.set_weights_path(out.parts.weights.string());
  job.set_plan_toml(FormatPlan(plan));
  FEDERITY_ASSIGN_OR_RETURN(out.result, RunJob(cli, request, "checking the model"));
  FEDERITY_ASSIGN_OR_RETURN(const crypto::FileContent program,
                            crypto::DigestFile(out.parts.program));
  out.program_digest = program.digest;
  FEDERITY_ASSIGN_OR_RETURN(const crypto::FileContent weights,
                            crypto::DigestFile(out.parts.weights));
  out.weights_digest = weights.digest;
  for (const std::string& warning : out.result.warnings()) {
    cli.output.Note(StrCat("warning: ", terminal::Printable(warning)));
  }
  return out;
}

absl::Status JoinModel(CliContext& cli, const ModelParts& parts, const fs::path& model) {
  worker::v1::Request request;
  worker::v1::Join& job = *request.mutable_join();
  job.set_program_path(parts.program.string());
  job.set_weights_path(parts.weights.string());
  job.set_model_path(fs::absolute(model).string());
  return RunJob(cli, request, "joining the model").status();
}

absl::StatusOr<std::string> Upload(CliContext& cli, const Session& session, const fs::path& file,
                                   const crypto::Digest& digest, std::string_view purpose,
                                   std::string_view label) {
  const std::string request_id =
      UuidOf(StrCat("federity/upload/v1\n", session.identity().member, "\n", session.scope(), "\n",
                    purpose, "\n", digest.ToString()));
  ProgressBar bar(cli.output, std::string(label), ProgressBar::Unit::kBytes);
  transfer::TransferOptions options = TransferWith(bar);
  options.expected_digest = digest.ToString();
  auto upload = transfer::UploadFile(session.channel(), session.scope(), file, request_id, options);
  // The coordinator remembers the request for longer than the upload: one that
  // expired is begun anew.
  if (absl::IsNotFound(upload.status())) {
    upload = transfer::UploadFile(session.channel(), session.scope(), file, crypto::RandomUuid(),
                                  options);
  }
  return upload;
}

absl::Status Download(CliContext& cli, const Session& session, const v1::Commit& commit,
                      v1::CommitPart part, const fs::path& file, std::string_view label) {
  ProgressBar bar(cli.output, std::string(label), ProgressBar::Unit::kBytes);
  return transfer::DownloadCommitPart(session.channel(), commit.name(), part, file,
                                      TransferWith(bar));
}

absl::StatusOr<ModelParts> DownloadModel(CliContext& cli, const Session& session,
                                         const v1::Commit& commit, const fs::path& folder) {
  ModelParts parts{.program = folder / "program.pt", .weights = folder / "weights.safetensors"};
  FEDERITY_RETURN_IF_ERROR(Download(cli, session, commit, v1::COMMIT_PART_PROGRAM, parts.program,
                                    "downloading the program"));
  FEDERITY_RETURN_IF_ERROR(Download(cli, session, commit, v1::COMMIT_PART_WEIGHTS, parts.weights,
                                    "downloading the weights"));
  return parts;
}

absl::StatusOr<Plan> ReadPlan(CliContext& cli, const fs::path& file) {
  FEDERITY_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxPlanBytes));
  auto plan = ParsePlan(text);
  if (!plan.ok()) return Annotate(plan.status(), file.string());
  for (const std::string& warning : PlanWarnings(*plan)) {
    cli.output.Note(StrCat("warning: ", warning));
  }
  return plan;
}

worker::v1::Dataset DatasetAt(const std::string& path, const std::string& labels,
                              const DataShape& shape) {
  worker::v1::Dataset dataset;
  std::error_code error;
  const bool folder = fs::is_directory(path, error);
  const char* guess = !labels.empty() ? "idx" : folder ? "image_folder" : "csv";
  dataset.set_format(shape.format.empty() ? guess : shape.format);
  dataset.set_path(fs::absolute(path, error).string());
  if (!labels.empty()) dataset.set_labels_path(fs::absolute(labels, error).string());
  if (dataset.format() == "csv") dataset.set_label_column(shape.label_column);
  return dataset;
}

}  // namespace federity::cli
