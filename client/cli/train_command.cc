// train: without a coordinator, in the same sandboxed trainer.
#include <memory>
#include <optional>
#include <system_error>

#include "client/cli/commands.h"
#include "client/cli/interrupt.h"
#include "client/cli/local_training.h"
#include "client/terminal/format.h"
#include "client/terminal/text.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/strings.h"

namespace federity::cli {
namespace {

namespace fs = std::filesystem;
using terminal::Json;

struct TrainOptions {
  std::string model;
  std::string program;
  std::string weights;
  std::string plan;
  std::vector<std::string> data;
  std::vector<std::string> labels;
  std::vector<std::string> test;
  std::vector<std::string> test_labels;
  std::vector<std::string> standardise_from;
  DataShape shape;
  std::string output;
  std::string device = "auto";
  int64_t epochs = 0;
  std::optional<uint64_t> seed;
  int32_t cpus = 1;
};

struct TrainInputs {
  std::vector<DataFile> data;
  std::vector<DataFile> test;
  std::vector<DataFile> standardise_from;
};

absl::StatusOr<TrainInputs> FindInputs(const TrainOptions& options) {
  TrainInputs inputs;
  FEDERITY_ASSIGN_OR_RETURN(inputs.data, DataFiles(options.data, options.labels, options.shape));
  FEDERITY_ASSIGN_OR_RETURN(inputs.test,
                            DataFiles(options.test, options.test_labels, options.shape));
  FEDERITY_ASSIGN_OR_RETURN(inputs.standardise_from,
                            DataFiles(options.standardise_from, {}, options.shape));
  if (inputs.standardise_from.empty()) inputs.standardise_from = inputs.data;
  return inputs;
}

absl::StatusOr<ModelParts> FindModel(CliContext& cli, const TrainOptions& options, const Plan& plan,
                                     const fs::path& work) {
  if (options.model.empty()) {
    std::error_code error;
    return ModelParts{.program = fs::absolute(options.program, error),
                      .weights = fs::absolute(options.weights, error)};
  }
  FEDERITY_ASSIGN_OR_RETURN(const SplitModel split, Split(cli, options.model, plan, work));
  return split.parts;
}

// The option, else the plan's, else one that is drawn and shown.
uint64_t SeedOf(const TrainOptions& options, const Plan& plan) {
  if (options.seed) return *options.seed;
  if (plan.training.seed != 0) return plan.training.seed;
  uint64_t seed = 0;
  for (const char c : crypto::RandomBytes(sizeof(seed))) {
    seed = seed << 8 | static_cast<unsigned char>(c);
  }
  return seed;
}

absl::StatusOr<worker::v1::Result> TrainJob(CliContext& cli, const LocalModel& model,
                                            const TrainInputs& inputs, uint64_t seed,
                                            int64_t epochs, const fs::path& trained) {
  worker::v1::Request request;
  worker::v1::Train& job = *request.mutable_train();
  job.set_program_path(model.parts.program.string());
  job.set_weights_path(model.parts.weights.string());
  job.set_plan_toml(FormatPlan(model.plan));
  for (const DataFile& file : inputs.data) *job.add_datasets() = file.dataset;
  *job.mutable_standardisation() = model.standardisation;
  *job.mutable_resources() = model.resources;
  job.set_seed(seed);
  job.set_epochs(epochs);
  job.set_trained_weights_path(trained.string());
  return RunJob(cli, request, "training");
}

absl::Status Save(CliContext& cli, const ModelParts& trained, const fs::path& output) {
  if (output.extension() == ".pt") return JoinModel(cli, trained, output);
  std::error_code error;
  fs::copy_file(trained.weights, output, fs::copy_options::overwrite_existing, error);
  if (error) return ErrnoStatus(error.value(), StrCat("writing ", output.string()));
  return absl::OkStatus();
}

Json HoldoutJson(const worker::v1::Metrics& metrics) {
  return metrics.examples() > 0 ? ToJson(FiguresOf(metrics)) : Json(nullptr);
}

void ShowTraining(CliContext& cli, const worker::v1::Result& result, const Plan& plan,
                  int64_t epochs, uint64_t seed) {
  cli.output.Line(StrCat("Trained on ", result.examples(), " examples, ", epochs, " epochs, seed ",
                         seed, ", ", terminal::FormatElapsed(absl::Seconds(result.train_seconds())),
                         ", last loss ", terminal::FormatNumber(result.train_loss()), "."));
  if (result.clipped_values() > 0) {
    cli.output.Note(StrCat("warning: values outside data.range were clipped: ",
                           result.clipped_values()));
  }
  if (result.metrics().examples() > 0) {
    cli.output.Line("On the hold-out:");
    cli.output.Text(ToText(FiguresOf(result.metrics()), plan.data.classes));
  }
}

absl::StatusOr<Json> MeasureTests(CliContext& cli, const LocalModel& trained,
                                  const std::vector<DataFile>& tests) {
  Json list = Json::array();
  for (const DataFile& file : tests) {
    FEDERITY_ASSIGN_OR_RETURN(const Figures figures, Evaluate(cli, trained, file));
    cli.output.Line(StrCat("On ", terminal::Printable(file.path), ":"));
    cli.output.Text(ToText(figures, trained.plan.data.classes));
    list.push_back(ToJson(figures));
    list.back()["file"] = file.path;
  }
  return list;
}

absl::Status Train(CliContext& cli, const TrainOptions& options) {
  InterruptScope interrupts;
  LocalModel model;
  FEDERITY_ASSIGN_OR_RETURN(model.plan, ReadPlan(cli, options.plan));
  FEDERITY_ASSIGN_OR_RETURN(const TrainInputs inputs, FindInputs(options));
  FEDERITY_ASSIGN_OR_RETURN(const WorkDirectory work, WorkDirectory::Make());
  FEDERITY_ASSIGN_OR_RETURN(model.parts, FindModel(cli, options, model.plan, work.path()));
  model.resources.set_cpus(options.cpus);
  model.resources.set_device(options.device);
  Json standardisation;
  if (model.plan.data.standardise == Plan::Standardise::kFederated) {
    FEDERITY_ASSIGN_OR_RETURN(const StandardisationValues values,
                              PooledStandardisation(cli, model.plan, inputs.standardise_from));
    model.standardisation = ToWorker(values);
    standardisation = {{"digest", StandardisationDigest(values).ToString()},
                       {"mean", values.mean},
                       {"sd", values.sd},
                       {"examples", values.examples}};
  }
  const uint64_t seed = SeedOf(options, model.plan);
  const int64_t epochs = options.epochs > 0 ? options.epochs : model.plan.training.epochs;
  const fs::path trained = work.path() / "trained.safetensors";
  FEDERITY_ASSIGN_OR_RETURN(const worker::v1::Result result,
                            TrainJob(cli, model, inputs, seed, epochs, trained));
  ShowTraining(cli, result, model.plan, epochs, seed);
  model.parts.weights = trained;
  FEDERITY_ASSIGN_OR_RETURN(Json tests, MeasureTests(cli, model, inputs.test));
  if (!options.output.empty()) {
    FEDERITY_RETURN_IF_ERROR(Save(cli, model.parts, options.output));
    cli.output.Line(StrCat("Saved ", terminal::Printable(options.output), "."));
  }
  cli.output.Document({{"examples", result.examples()},
                       {"epochs", epochs},
                       {"seed", StrCat(seed)},
                       {"train_loss", result.train_loss()},
                       {"train_seconds", result.train_seconds()},
                       {"clipped_values", result.clipped_values()},
                       {"holdout_before", HoldoutJson(result.base_metrics())},
                       {"holdout", HoldoutJson(result.metrics())},
                       {"test", tests.empty() ? Json(nullptr) : tests.front()},
                       {"tests", std::move(tests)},
                       {"standardisation", std::move(standardisation)}});
  return absl::OkStatus();
}

void AddModelOptions(CLI::App* train, TrainOptions& o) {
  auto* model =
      train->add_option("--model", o.model, "TorchScript archive")->check(CLI::ExistingFile);
  auto* program = train->add_option("--program", o.program, "Or a program …")
                      ->check(CLI::ExistingFile)
                      ->excludes(model);
  auto* weights = train->add_option("--weights", o.weights, "… and its weights, safetensors")
                      ->check(CLI::ExistingFile)
                      ->excludes(model);
  program->needs(weights);
  weights->needs(program);
}

}  // namespace

void AddTrainCommand(Commands& commands) {
  auto* train = commands.app.add_subcommand("train", "Train on this machine, no coordinator");
  train->group(kGroupUse);
  const auto o = std::make_shared<TrainOptions>();
  AddModelOptions(train, *o);
  train->add_option("--plan", o->plan, "The plan, TOML")->required()->check(CLI::ExistingFile);
  train->add_option("--data", o->data, "CSV, image folder, or IDX images; taken together")
      ->required();
  train->add_option("--labels", o->labels, "IDX: the labels file of each data file");
  AddDataShape(train, o->shape);
  train->add_option("--test", o->test, "Measure the result on these, each on its own");
  train->add_option("--test-labels", o->test_labels, "IDX: the labels file of each test file");
  train->add_option("--standardise-from", o->standardise_from,
                    "CSV: mean and sd from these instead of the data (federated plans)");
  train->add_option("--epochs", o->epochs, "Instead of the plan's")->check(CLI::Range(1, 1000000));
  train->add_option("--seed", o->seed, "Instead of the plan's");
  train->add_option("--cpus", o->cpus, "Threads")->check(CLI::Range(1, 1024));
  train->add_option("--device", o->device, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  train->add_option("-o,--output", o->output, "FILE.safetensors or FILE.pt for the result")
      ->check(IsModelFile());
  commands.On(train, [o](CliContext& cli) -> absl::Status {
    if (o->model.empty() && o->program.empty()) {
      return InvalidArgument("model", "no model; give --model, or --program with --weights");
    }
    return Train(cli, *o);
  });
}

}  // namespace federity::cli
