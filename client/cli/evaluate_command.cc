// evaluate.
#include <memory>

#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/commits.h"
#include "client/cli/interrupt.h"
#include "client/cli/local_training.h"
#include "client/terminal/text.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "federity/v1/plans.grpc.pb.h"
#include "federity/v1/statistics.grpc.pb.h"

namespace federity::cli {
namespace {

using terminal::Json;

struct EvaluateOptions {
  std::string commit;
  std::vector<std::string> data;
  std::vector<std::string> labels;
  DataShape shape;
  int32_t cpus = 1;
};

// "sha256:…" → the last segment of a resource named by that digest.
std::string HexOf(const std::string& digest) { return digest.substr(digest.find(':') + 1); }

absl::StatusOr<Plan> PlanOf(const Session& session, const v1::Commit& commit) {
  v1::GetPlanRequest request;
  request.set_name(StrCat(session.scope(), "/plans/", HexOf(commit.plan_digest())));
  FEDERITY_ASSIGN_OR_RETURN(const v1::Plan plan,
                            session.Call(&v1::PlanService::Stub::GetPlan, request));
  return ParsePlan(plan.toml());
}

// The commit's own; for one made before any was frozen, the one in force.
absl::StatusOr<worker::v1::Standardisation> StandardisationOf(CliContext& cli,
                                                              const Session& session,
                                                              const v1::Commit& commit,
                                                              const Plan& plan) {
  if (plan.data.standardise != Plan::Standardise::kFederated) return worker::v1::Standardisation();
  const bool own = !commit.standardisation_digest().empty();
  v1::GetStandardisationRequest request;
  request.set_name(StrCat(session.scope(), "/standardisations/",
                          own ? HexOf(commit.standardisation_digest()) : "current"));
  auto frozen = session.Call(&v1::StatisticsService::Stub::GetStandardisation, request);
  if (!frozen.ok() && !own && absl::IsNotFound(frozen.status())) {
    return Error(v1::ERROR_REASON_STANDARDISATION_MISSING,
                 "the plan wants a federated standardisation and there is none yet");
  }
  FEDERITY_RETURN_IF_ERROR(frozen.status());
  if (!own) {
    cli.output.Note("This version is older than any standardisation; the one in force is used.");
  }
  worker::v1::Standardisation out;
  *out.mutable_mean() = frozen->mean();
  *out.mutable_sd() = frozen->sd();
  return out;
}

absl::Status RunEvaluate(CliContext& cli, const EvaluateOptions& options) {
  InterruptScope interrupts;
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<DataFile> files,
                            DataFiles(options.data, options.labels, options.shape));
  FEDERITY_ASSIGN_OR_RETURN(const OpenedCommit opened, OpenCommit(cli, options.commit));
  const auto& [session, commit] = opened;
  LocalModel model;
  FEDERITY_ASSIGN_OR_RETURN(model.plan, PlanOf(session, commit));
  FEDERITY_ASSIGN_OR_RETURN(model.standardisation,
                            StandardisationOf(cli, session, commit, model.plan));
  model.resources.set_cpus(options.cpus);
  FEDERITY_ASSIGN_OR_RETURN(const WorkDirectory work, WorkDirectory::Make());
  FEDERITY_ASSIGN_OR_RETURN(model.parts, DownloadModel(cli, session, commit, work.path()));
  Json list = Json::array();
  for (const DataFile& file : files) {
    FEDERITY_ASSIGN_OR_RETURN(const Figures figures, Evaluate(cli, model, file));
    cli.output.Line(StrCat("v", commit.version(), " on ", terminal::Printable(file.path), ":"));
    cli.output.Text(ToText(figures, model.plan.data.classes));
    list.push_back(ToJson(figures));
    list.back()["file"] = file.path;
  }
  // The figures of the first file stand at the top as well: one is the rule.
  Json document = list.front();
  document["commit"] = commit.name();
  document["version"] = commit.version();
  document["evaluations"] = std::move(list);
  cli.output.Document(document);
  return absl::OkStatus();
}

}  // namespace

void AddEvaluateCommand(Commands& commands) {
  auto* evaluate = commands.app.add_subcommand("evaluate", "Measure a version on data of yours");
  evaluate->group(kGroupUse);
  const auto o = std::make_shared<EvaluateOptions>();
  evaluate->add_option("REPO[@COMMIT]", o->commit, "By digest, v3, tag or head (default)")
      ->required()
      ->check(IsCommit());
  // One file for each --data, so that the repository may follow it.
  evaluate->add_option("--data", o->data, "CSV, image folder, or IDX images; each on its own")
      ->required()
      ->allow_extra_args(false);
  evaluate->add_option("--labels", o->labels, "IDX: the labels file of each data file")
      ->allow_extra_args(false);
  AddDataShape(evaluate, o->shape);
  evaluate->add_option("--cpus", o->cpus, "Threads")->check(CLI::Range(1, 1024));
  commands.On(evaluate, [o](CliContext& cli) { return RunEvaluate(cli, *o); });
}

}  // namespace federity::cli
