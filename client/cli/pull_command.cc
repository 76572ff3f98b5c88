// pull.
#include <filesystem>
#include <memory>
#include <system_error>

#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/commits.h"
#include "client/cli/interrupt.h"
#include "client/cli/jobs.h"
#include "client/terminal/format.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/strings.h"

namespace federity::cli {
namespace {

namespace fs = std::filesystem;

struct PullOptions {
  std::string commit;
  std::string output;
};

// Parts lie beside the result under the commit's name, so that a call that
// broke off goes on with its own bytes and no other version's.
fs::path PartPath(const fs::path& output, const v1::Commit& commit, std::string_view part) {
  return StrCat(output.string(), ".", ShortCommit(commit.name()), ".", part);
}

absl::Status Rename(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return ErrnoStatus(error.value(), StrCat("writing ", to.string()));
  return absl::OkStatus();
}

absl::Status PullWeights(CliContext& cli, const OpenedCommit& opened, const fs::path& output) {
  const fs::path part = PartPath(output, opened.commit, "weights");
  FEDERITY_RETURN_IF_ERROR(Download(cli, opened.session, opened.commit, v1::COMMIT_PART_WEIGHTS,
                                    part, "downloading the weights"));
  return Rename(part, output);
}

absl::Status PullModel(CliContext& cli, const OpenedCommit& opened, const fs::path& output) {
  const ModelParts parts{.program = PartPath(output, opened.commit, "program"),
                         .weights = PartPath(output, opened.commit, "weights")};
  FEDERITY_RETURN_IF_ERROR(Download(cli, opened.session, opened.commit, v1::COMMIT_PART_PROGRAM,
                                    parts.program, "downloading the program"));
  FEDERITY_RETURN_IF_ERROR(Download(cli, opened.session, opened.commit, v1::COMMIT_PART_WEIGHTS,
                                    parts.weights, "downloading the weights"));
  const fs::path whole = PartPath(output, opened.commit, "whole");
  const absl::Status joined = JoinModel(cli, parts, whole);
  std::error_code ignored;
  fs::remove(parts.program, ignored);
  fs::remove(parts.weights, ignored);
  FEDERITY_RETURN_IF_ERROR(joined);
  return Rename(whole, output);
}

absl::Status Pull(CliContext& cli, const PullOptions& options) {
  const fs::path output = options.output;
  InterruptScope interrupts;
  FEDERITY_ASSIGN_OR_RETURN(const OpenedCommit opened, OpenCommit(cli, options.commit));
  FEDERITY_RETURN_IF_ERROR(output.extension() == ".pt" ? PullModel(cli, opened, output)
                                                       : PullWeights(cli, opened, output));
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(output, error));
  cli.output.Line(StrCat(output.string(), " is v", opened.commit.version(), ", ",
                         ShortCommit(opened.commit.name()), ", ", terminal::FormatBytes(size)));
  terminal::Json document = terminal::ToJson(opened.commit);
  document["file"] = output.string();
  cli.output.Document(document);
  return absl::OkStatus();
}

}  // namespace

void AddPullCommand(Commands& commands) {
  auto* pull = commands.app.add_subcommand("pull", "Download a version of the model");
  pull->group(kGroupUse);
  const auto o = std::make_shared<PullOptions>();
  pull->add_option("REPO[@COMMIT]", o->commit, "By digest, v3, tag or head (default)")
      ->required()
      ->check(IsCommit());
  pull->add_option("-o,--output", o->output, "FILE.safetensors or FILE.pt")
      ->required()
      ->check(IsModelFile());
  commands.On(pull, [o](CliContext& cli) { return Pull(cli, *o); });
}

}  // namespace federity::cli
