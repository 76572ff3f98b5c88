#include "client/trainer/supervisor.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "client/trainer/failure.h"
#include "common/tensor/plain_delta.h"
#include "common/tensor/safetensors.h"
#include "tests/unit/client/trainer/testing.h"

// Through the real federity-trainer, in its sandbox.
namespace federity::trainer {
namespace {

namespace v1 = worker::v1;
using testing::GoldenModel;
using testing::TablePlan;
using testing::TemporaryFolder;

Plan MlpPlan() {
  Plan plan = TablePlan(30);
  plan.training.learning_rate = 0.1;
  plan.training.epochs = 5;
  plan.training.batch_size = 16;
  return plan;
}

// 30 features of which two tell the classes apart.
std::string SeparableCsv(int rows, unsigned seed) {
  std::mt19937 random(seed);
  std::string text = "y";
  for (int i = 0; i < 30; ++i) text += ",f" + std::to_string(i);
  for (int row = 0; row < rows; ++row) {
    const bool yes = random() % 2 == 0;
    text += yes ? "\nyes" : "\nno";
    for (int i = 0; i < 30; ++i) {
      const double noise = static_cast<double>(random() % 2000) / 1000.0 - 1.0;
      text += "," + std::to_string(i < 2 ? noise + (yes ? 1.0 : -1.0) : noise);
    }
  }
  return text + "\n";
}

// A folder with a split model and data; what every test starts from.
struct Bench {
  explicit Bench(std::string_view model = "mlp.script.torch1.13", Plan its_plan = MlpPlan())
      : plan(std::move(its_plan)), split(Split(model)) {}

  absl::StatusOr<v1::Result> Split(std::string_view model) {
    v1::Request request;
    auto& job = *request.mutable_split();
    job.set_model_path(GoldenModel(model));
    job.set_program_path(folder / "program");
    job.set_weights_path(folder / "weights");
    job.set_plan_toml(FormatPlan(plan));
    return RunJob(request, options);
  }

  v1::Request TrainRequest(std::string_view csv, std::string_view delta = "delta") const {
    v1::Request request;
    auto& job = *request.mutable_train();
    job.set_program_path(folder / "program");
    job.set_weights_path(folder / "weights");
    job.set_plan_toml(FormatPlan(plan));
    auto& dataset = *job.add_datasets();
    dataset.set_format("csv");
    dataset.set_path(folder.Write("data.csv", csv));
    job.set_seed(42);
    job.set_delta_path(folder / delta);
    return request;
  }
  absl::StatusOr<v1::Result> Train(std::string_view csv, std::string_view delta = "delta") const {
    return RunJob(TrainRequest(csv, delta), options);
  }

  TemporaryFolder folder;
  Plan plan;
  JobOptions options;
  absl::StatusOr<v1::Result> split;
};

double Accuracy(const v1::Metrics& metrics) {
  int64_t right = 0;
  const int n = static_cast<int>(std::lround(std::sqrt(metrics.confusion_size())));
  for (int i = 0; i < n; ++i) right += metrics.confusion(i * n + i);
  return static_cast<double>(right) / static_cast<double>(metrics.examples());
}

tensor::TensorSpec SpecOf(const std::filesystem::path& file) {
  const std::string bytes = testing::ReadAll(file);
  const int64_t length = *tensor::HeaderLength(bytes.substr(0, 8));
  return *tensor::DecodeHeader(bytes.substr(0, static_cast<size_t>(length)));
}

void RequireFailure(const absl::Status& status, std::string_view reason, std::string_view message) {
  INFO(status);
  REQUIRE_FALSE(status.ok());
  CHECK(FailureReason(status) == reason);
  CHECK_THAT(std::string(status.message()), Catch::Contains(std::string(message)));
}

TEST_CASE("A model is split, trained, evaluated and joined") {
  std::vector<std::string> layers;
  Bench bench;
  bench.options.on_started = [&](const v1::Started& started) {
    layers.assign(started.layers().begin(), started.layers().end());
    CHECK(started.device() == "cpu");
    CHECK_FALSE(started.libtorch_version().empty());
  };
  REQUIRE(bench.split.ok());
  CHECK(bench.split->parameter_count() == 30 * 16 + 16 + 16 * 2 + 2);
  CHECK(bench.split->tensors(0) == "layers.0.weight F32 [16, 30]");
  CHECK(bench.split->warnings_size() == 0);
  CHECK(std::filesystem::file_size(bench.folder / "program") < 12'000);

  const std::string csv = SeparableCsv(400, 1);
  const auto trained = bench.Train(csv);
  REQUIRE(trained.ok());
  CHECK(trained->examples() == 320);
  CHECK(trained->metrics().examples() == 80);
  CHECK(trained->base_metrics().examples() == 80);
  CHECK(Accuracy(trained->metrics()) > 0.9);
  CHECK(Accuracy(trained->metrics()) > Accuracy(trained->base_metrics()));
  CHECK(trained->metrics().loss_sum() < trained->base_metrics().loss_sum());
  CHECK(layers.size() == 5);
  const auto weights = SpecOf(bench.folder / "weights");
  CHECK(SpecOf(bench.folder / "delta") == *tensor::PlainDeltaSpec(weights));

  v1::Request evaluate;
  auto& job = *evaluate.mutable_evaluate();
  job.set_program_path(bench.folder / "program");
  job.set_weights_path(bench.folder / "weights");
  job.set_plan_toml(FormatPlan(bench.plan));
  *job.add_datasets() = bench.TrainRequest(csv).train().datasets(0);
  job.set_holdout_only(true);
  const auto measured = RunJob(evaluate, bench.options);
  REQUIRE(measured.ok());
  CHECK(measured->metrics().SerializeAsString() == trained->base_metrics().SerializeAsString());

  v1::Request join;
  join.mutable_join()->set_program_path(bench.folder / "program");
  join.mutable_join()->set_weights_path(bench.folder / "weights");
  join.mutable_join()->set_model_path(bench.folder / "model.pt");
  REQUIRE(RunJob(join, bench.options).ok());

  // The joined archive splits into the same two files.
  v1::Request again;
  again.mutable_split()->set_model_path(bench.folder / "model.pt");
  again.mutable_split()->set_program_path(bench.folder / "program2");
  again.mutable_split()->set_weights_path(bench.folder / "weights2");
  again.mutable_split()->set_plan_toml(FormatPlan(bench.plan));
  REQUIRE(RunJob(again, bench.options).ok());
  CHECK(testing::ReadAll(bench.folder / "program2") == testing::ReadAll(bench.folder / "program"));
  CHECK(testing::ReadAll(bench.folder / "weights2") == testing::ReadAll(bench.folder / "weights"));
}

TEST_CASE("Training repeats bit for bit for a seed, and differs for another") {
  Bench bench;
  REQUIRE(bench.split.ok());
  const std::string csv = SeparableCsv(100, 2);
  REQUIRE(bench.Train(csv, "one").ok());
  REQUIRE(bench.Train(csv, "two").ok());
  v1::Request other = bench.TrainRequest(csv, "three");
  other.mutable_train()->set_seed(43);
  REQUIRE(RunJob(other, bench.options).ok());
  const std::string one = testing::ReadAll(bench.folder / "one");
  CHECK(one == testing::ReadAll(bench.folder / "two"));
  CHECK(one != testing::ReadAll(bench.folder / "three"));
}

TEST_CASE("BatchNorm's buffers are in the delta, the counter as an integer") {
  Plan plan;
  plan.data.kind = Plan::DataKind::kImages;
  plan.data.shape = {1, 28, 28};
  for (int i = 0; i < 10; ++i) plan.data.classes.push_back(std::to_string(i));
  plan.training.batch_size = 8;
  plan.training.holdout = 0.2;
  Bench bench("cnn.script.torch1.13", plan);
  REQUIRE(bench.split.ok());

  constexpr int kRows = 41;  // 33 to train: the last batch of one is left out
  std::string images("\0\0\x08\x03\0\0\0\x29\0\0\0\x1c\0\0\0\x1c", 16);
  std::string labels("\0\0\x08\x01\0\0\0\x29", 8);
  std::mt19937 random(1);
  for (int i = 0; i < kRows; ++i) {
    labels.push_back(static_cast<char>(i % 10));
    for (int j = 0; j < 28 * 28; ++j) images.push_back(static_cast<char>(random()));
  }
  v1::Request request;
  auto& job = *request.mutable_train();
  job.set_program_path(bench.folder / "program");
  job.set_weights_path(bench.folder / "weights");
  job.set_plan_toml(FormatPlan(plan));
  auto& dataset = *job.add_datasets();
  dataset.set_format("idx");
  dataset.set_path(bench.folder.Write("images", images));
  dataset.set_labels_path(bench.folder.Write("labels", labels));
  job.set_delta_path(bench.folder / "delta");
  job.set_trained_weights_path(bench.folder / "trained");
  job.mutable_resources()->set_cpus(2);
  const auto result = RunJob(request, bench.options);
  INFO(result.status());
  REQUIRE(result.ok());
  CHECK(result->examples() == 33);

  const std::string delta = testing::ReadAll(bench.folder / "delta");
  const int64_t start = *tensor::HeaderLength(delta.substr(0, 8));
  int found = 0;
  for (const auto& info : SpecOf(bench.folder / "delta").tensors) {
    if (info.kind != tensor::TensorKind::kBuffer) continue;
    const char* data = delta.data() + start + info.offset;
    if (info.name == "norm.num_batches_tracked") {
      int64_t batches = 0;
      std::memcpy(&batches, data, sizeof(batches));
      CHECK(info.dtype == tensor::DType::kI64);
      CHECK(batches == 4);  // 33 rows by 8, without the batch of one
      ++found;
    }
    if (info.name == "norm.running_mean") {
      int32_t moved = 0;
      std::memcpy(&moved, data, sizeof(moved));
      CHECK(info.dtype == tensor::DType::kI32);
      CHECK(moved != 0);
      ++found;
    }
  }
  CHECK(found == 2);
}

TEST_CASE("Every golden model that can be trained is split and trained") {
  const std::string name =
      GENERATE("mlp.trace.torch1.13", "attention.script.torch1.13", "attention.trace.torch1.13",
               "transformer.script.torch1.13", "gru.script.torch1.13", "mlp.script.torch2.6",
               "mlp.trace.torch2.6", "attention.script.torch2.6", "attention.trace.torch2.6",
               "gru.script.torch2.6");
  INFO(name);
  Bench bench(name);
  INFO(bench.split.status());
  REQUIRE(bench.split.ok());
  const auto trained = bench.Train(SeparableCsv(60, 3));
  INFO(trained.status());
  REQUIRE(trained.ok());
  CHECK(std::isfinite(trained->train_loss()));
}

TEST_CASE("What can't be trained is refused by name") {
  struct Case {
    std::string model;
    std::string_view reason;
    std::string message;
  };
  const Case refused = GENERATE(
      Case{"tied.script.torch1.13", kModelRefused, "first.weight and second.weight share"},
      Case{"tied.script.torch2.6", kModelRefused, "first.weight and second.weight share"},
      Case{"half.script.torch1.13", kModelRefused, "layers.0.weight is of type Half"},
      Case{"double.script.torch1.13", kModelRefused, "model.float()"},
      Case{"frozen.script.torch1.13", kModelRefused, "torch.jit.freeze"},
      Case{"wrong_shape.script.torch1.13", kModelFailed, "[2, 3]"},
      Case{"evil_fromfile.script.torch1.13", kModelRefused, "aten::from_file (make_models.py:"},
      Case{"evil_hiddenfromfile.script.torch1.13", kModelRefused, "aten::from_file"},
      Case{"evil_setstate.script.torch1.13", kModelRefused, "__setstate__"},
      Case{"evil_printing.script.torch1.13", kModelRefused, "prim::Print"});
  INFO(refused.model);
  Bench bench(refused.model);
  RequireFailure(bench.split.status(), refused.reason, refused.message);
  // And nothing is left behind.
  CHECK(std::filesystem::is_empty(bench.folder.path()));
}

TEST_CASE("A newer operator is named with who saved the file and the remedy") {
  Bench bench("transformer.script.torch2.6");
  if (bench.split.ok()) return;  // built with a LibTorch that has it
  RequireFailure(bench.split.status(), kModelUnreadable, "aten::scaled_dot_product_attention");
  CHECK_THAT(std::string(bench.split.status().message()),
             Catch::Contains("PyTorch 2.1 or later") && Catch::Contains("newer LibTorch"));
}

TEST_CASE("Files that are no models are unreadable") {
  Bench bench;
  for (const std::string_view content : {"", "not a zip", "PK\x03\x04 not really"}) {
    v1::Request request;
    auto& job = *request.mutable_split();
    job.set_model_path(bench.folder.Write("bad.pt", content));
    job.set_program_path(bench.folder / "p");
    job.set_weights_path(bench.folder / "w");
    job.set_plan_toml(FormatPlan(bench.plan));
    RequireFailure(RunJob(request, {}).status(), kModelUnreadable, "not a TorchScript archive");
  }
  v1::Request missing;
  missing.mutable_split()->set_model_path(bench.folder / "missing.pt");
  RequireFailure(RunJob(missing, {}).status(), kModelUnreadable, "missing.pt");
}

TEST_CASE("Weights of another program are refused") {
  Bench bench;
  REQUIRE(bench.split.ok());
  Bench other("attention.script.torch1.13");
  REQUIRE(other.split.ok());
  std::filesystem::copy_file(other.folder / "weights", bench.folder / "weights",
                             std::filesystem::copy_options::overwrite_existing);
  RequireFailure(bench.Train(SeparableCsv(10, 1)).status(), kModelUnreadable, "not those of");
}

TEST_CASE("An endless loop ends at the time limit") {
  Bench bench;
  bench.options.time_limit = absl::Seconds(3);
  const auto result = bench.Split("evil_endless.script.torch1.13");
  CHECK(absl::IsDeadlineExceeded(result.status()));
}

TEST_CASE("A job is cancelled") {
  Bench bench;
  REQUIRE(bench.split.ok());
  bench.plan.training.epochs = 1000;
  bool training = false;
  bench.options.on_progress = [&](const v1::Progress& progress) {
    training = training || progress.phase() == "training";
  };
  bench.options.cancelled = [&] { return training; };
  CHECK(absl::IsCancelled(bench.Train(SeparableCsv(2000, 1)).status()));
  CHECK_FALSE(std::filesystem::exists(bench.folder / "delta"));
}

TEST_CASE("Diverging training, wild updates and wrong data are told apart") {
  Bench bench;
  REQUIRE(bench.split.ok());
  bench.plan.training.learning_rate = 1e30;
  RequireFailure(bench.Train(SeparableCsv(200, 1)).status(), kTrainingDiverged, "learning_rate");
  bench.plan.training.learning_rate = 2000;
  bench.plan.training.batch_size = 1000;
  bench.plan.training.epochs = 1;
  RequireFailure(bench.Train(SeparableCsv(200, 1)).status(), kUpdateOutOfRange, "layers.");
  RequireFailure(bench.Train("f0,y\n1,no\n").status(), kDataInvalid, "f1");
}

#ifndef FEDERITY_SANITIZED  // no limit under them
TEST_CASE("A model that asks for 4 TiB is out of memory, not a crash") {
  Bench bench("evil_hog.script.torch1.13");
  RequireFailure(bench.split.status(), kOutOfMemory, "memory limit");
}

TEST_CASE("Memory is limited, and its end is an error") {
  Bench bench;
  REQUIRE(bench.split.ok());
  Plan plan;
  plan.data.kind = Plan::DataKind::kImages;
  plan.data.shape = {1, 28, 28};
  plan.data.classes = {"a", "b"};
  v1::Request request = bench.TrainRequest("");
  auto& job = *request.mutable_train();
  job.set_plan_toml(FormatPlan(plan));
  // 60,000 black images: 188 MB as the trainer keeps them.
  const std::string sizes("\0\0\xea\x60\0\0\0\x1c\0\0\0\x1c", 12);
  auto& dataset = *job.mutable_datasets(0);
  dataset.set_format("idx");
  dataset.set_path(bench.folder.Write("images", std::string("\0\0\x08\x03", 4) + sizes));
  dataset.set_labels_path(
      bench.folder.Write("labels", std::string("\0\0\x08\x01", 4) + sizes.substr(0, 4)));
  std::filesystem::resize_file(dataset.path(), 16 + 60'000 * 28 * 28);
  std::filesystem::resize_file(dataset.labels_path(), 8 + 60'000);
  job.mutable_resources()->set_memory_bytes(256 << 20);
  RequireFailure(RunJob(request, {}).status(), kOutOfMemory, "memory limit");
}
#endif

TEST_CASE("A data set is checked and summed") {
  Bench bench;
  v1::Request request;
  request.mutable_check_data()->set_plan_toml(FormatPlan(bench.plan));
  auto& dataset = *request.mutable_check_data()->mutable_dataset();
  dataset.set_format("csv");
  dataset.set_path(bench.folder.Write("data.csv", SeparableCsv(50, 1) + "yes,1,2\n"));
  request.mutable_check_data()->set_max_problems(20);
  const auto report = RunJob(request, bench.options);
  REQUIRE(report.ok());
  CHECK(report->rows() == 50);
  CHECK(report->class_counts(0) + report->class_counts(1) == 50);
  REQUIRE(report->problems_size() == 1);
  CHECK(report->problems(0).row() == 51);

  v1::Request sums;
  sums.mutable_sums()->set_plan_toml(FormatPlan(bench.plan));
  *sums.mutable_sums()->add_datasets() = dataset;
  RequireFailure(RunJob(sums, bench.options).status(), kDataInvalid, "row 51");
  bench.folder.Write("data.csv", SeparableCsv(50, 1));
  const auto result = RunJob(sums, bench.options);
  REQUIRE(result.ok());
  CHECK(result->sums_size() == 30);
  CHECK(result->counts(29) == 50);
}

TEST_CASE("An image folder is read through the closed sandbox, and nothing beside it") {
  Plan plan;
  plan.data.kind = Plan::DataKind::kImages;
  plan.data.shape = {1, 1, 1};
  plan.data.classes = {"dark", "light"};
  const TemporaryFolder folder;
  // 1 by 1 grey pixels.
  const std::string png =
      "\x89PNG\r\n\x1a\n" +
      std::string("\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55", 25) +
      std::string("\0\0\0\x0aIDAT\x78\x9c\x63\x60\0\0\0\x02\0\x01\x48\xaf\xa4\x71", 22) +
      std::string("\0\0\0\0IEND\xae\x42\x60\x82", 12);
  folder.Write("data/dark/1.png", png);
  folder.Write("data/light/2.png", png);
  folder.Write("elsewhere.png", png);
  std::filesystem::create_symlink(folder / "elsewhere.png", folder / "data/light/3.png");
  v1::Request request;
  request.mutable_check_data()->set_plan_toml(FormatPlan(plan));
  request.mutable_check_data()->mutable_dataset()->set_format("image_folder");
  request.mutable_check_data()->mutable_dataset()->set_path(folder / "data");
  bool landlock = false;
  const auto report = RunJob(request, JobOptions{.on_started = [&](const v1::Started& started) {
                               for (const auto& layer : started.layers()) {
                                 landlock = landlock || layer.find("landlock: active") == 0;
                               }
                             }});
  REQUIRE(report.ok());
  CHECK(report->class_counts(0) == 1);
  if (landlock) {  // the link leads out of the folder
    CHECK(report->class_counts(1) == 1);
    REQUIRE(report->problems_size() == 1);
    CHECK(report->problems(0).column() == "light/3.png");
  }
}

// A program of the shell in the trainer's place.
std::string Script(const TemporaryFolder& folder, std::string_view body) {
  const std::string path = folder.Write("program.sh", "#!/bin/sh\n" + std::string(body) + "\n");
  chmod(path.c_str(), 0700);
  return path;
}

TEST_CASE("A child that dies or talks nonsense is an internal error, and no more") {
  const TemporaryFolder folder;
  const v1::Request request;
  const auto run = [&](std::string_view body) {
    return RunJob(request, {.program = Script(folder, body)}).status();
  };
  RequireFailure(run("kill -9 $$"), kInternal, "signal 9");
  RequireFailure(run("kill -SEGV $$"), kInternal, "signal 11");
  RequireFailure(run("echo something broke >&2; exit 3"), kInternal, "status 3");
  RequireFailure(run("echo something broke >&2; exit 3"), kInternal, "something broke");
  RequireFailure(run("exit 0"), kInternal, "without a result");
  RequireFailure(run("printf '\\377\\377\\377\\377' >&3; sleep 100"), kInternal, "the limit is");
  RequireFailure(run("head -c 10000000 /dev/zero >&2; exit 3"), kInternal, "status 3");
  RequireFailure(RunJob(request, {.program = "/nonexistent/trainer"}).status(), kInternal,
                 "not found");
}

TEST_CASE("The child inherits neither files nor environment nor signal mask") {
  const TemporaryFolder folder;
  setenv("FEDERITY_TEST_SECRET", "canary", 1);
  const FileDescriptor open_file = testing::OpenForReading("/etc/passwd");
  const int leaked = fcntl(open_file.get(), F_DUPFD, 20);  // without O_CLOEXEC
  const std::string out = (folder / "out").string();
  const std::string script =
      Script(folder, "{ env; ls /proc/self/fd; grep SigBlk /proc/self/status; } > " + out);
  CHECK_FALSE(RunJob({}, {.program = script}).ok());
  close(leaked);
  const std::string text = testing::ReadAll(out);
  CHECK_THAT(text, Catch::Contains("OPENBLAS_NUM_THREADS=1"));
  CHECK_THAT(text, !Catch::Contains("canary"));
  CHECK_THAT(text, !Catch::Contains("\n20\n"));
  CHECK_THAT(text, Catch::Contains("SigBlk:\t0000000000000000"));
}

TEST_CASE("The child dies with its parent") {
  const TemporaryFolder folder;
  const std::string pid_file = (folder / "pid").string();
  const std::string fifo = (folder / "fifo").string();
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  // The child holds the pipe's writing end for as long as it lives.
  const std::string script = Script(folder, "exec 4> " + fifo + "; exec sleep 1000");
  const pid_t parent = fork();
  if (parent == 0) {
    (void)RunJob({}, {.program = script});
    _exit(0);
  }
  const int reader = open(fifo.c_str(), O_RDONLY);  // returns once the child runs
  REQUIRE(reader >= 0);
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  char byte = 0;
  CHECK(read(reader, &byte, 1) == 0);  // the end of the file: nobody holds it
  close(reader);
}

}  // namespace
}  // namespace federity::trainer
