#include "client/cli/local_training.h"

#include <catch2/catch.hpp>

#include "common/plan/standardisation.h"
#include "tests/unit/client/cli/fake_federation.h"

namespace federity::cli {
namespace {

using Catch::Matchers::Contains;

constexpr char kPlan[] =
    "[data]\nkind = \"table\"\nfeatures = [\"x\"]\nlabel = \"y\"\nclasses = [\"a\", \"b\"]\n"
    "standardise = \"federated\"\n";

// A trainer that records its jobs and answers each kind.
struct FakeTrainer {
  std::vector<worker::v1::Request> jobs;
  absl::StatusOr<worker::v1::Result> operator()(const worker::v1::Request& request) {
    jobs.push_back(request);
    worker::v1::Result result;
    if (request.has_sums()) {
      const auto sums = ComputeFeatureSums({1, 2, 3}, 1);
      REQUIRE(sums.ok());
      result.add_sums(sums->front().sum);
      result.add_sums_of_squares(sums->front().sum_of_squares);
      result.add_counts(3);
    } else if (request.has_train()) {
      REQUIRE(WriteFileAtomically(request.train().trained_weights_path(), "trained").ok());
      result.set_examples(3);
      result.mutable_metrics()->set_examples(1);
    } else if (request.has_join()) {
      REQUIRE(WriteFileAtomically(request.join().model_path(), "joined").ok());
    } else {
      result.mutable_metrics()->set_examples(4);
      result.mutable_metrics()->set_loss_sum(2);
    }
    return result;
  }
};

struct TrainFixture : FakeFederation {
  FakeTrainer trainer;
  std::string plan = Write("plan.toml", kPlan);
  std::string data = Write("a.csv", "x,y\n1,a\n");
  std::string test = Write("test.csv", "x,y\n1,a\n");
  TrainFixture() {
    run_job = [this](const worker::v1::Request& request, const trainer::JobOptions&) {
      return trainer(request);
    };
  }
  Result Train(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"train",
                                          "--program",
                                          Write("p", "program"),
                                          "--weights",
                                          Write("w", "weights"),
                                          "--plan",
                                          plan,
                                          "--data",
                                          data,
                                          "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }
};

TEST_CASE("train pools the standardisation, trains, measures and saves", "[cli]") {
  TrainFixture f;
  const std::string out = (f.folder / "out.pt").string();
  const auto result = f.Train({"--test", f.test, "--epochs", "5", "--seed", "9", "-o", out});
  INFO(result.err);
  REQUIRE(result.status == 0);
  REQUIRE(f.trainer.jobs.size() == 4);
  CHECK(f.trainer.jobs[0].sums().datasets(0).path() == f.data);
  const worker::v1::Train& job = f.trainer.jobs[1].train();
  CHECK(job.epochs() == 5);
  CHECK(job.seed() == 9);
  CHECK(job.standardisation().mean(0) == Approx(2));
  CHECK(job.standardisation().sd(0) == Approx(std::sqrt(2.0 / 3)));
  CHECK(job.delta_path().empty());
  // The test measures what was trained, with the same standardisation.
  const worker::v1::Evaluate& evaluate = f.trainer.jobs[2].evaluate();
  CHECK(evaluate.weights_path() == job.trained_weights_path());
  CHECK(evaluate.datasets(0).path() == f.test);
  CHECK_FALSE(evaluate.holdout_only());
  CHECK(evaluate.standardisation().mean(0) == Approx(2));
  CHECK(*ReadFile(out, 100) == "joined");
  const auto json = result.Json();
  CHECK(json["seed"] == "9");
  CHECK(json["test"]["loss"] == 0.5);
  CHECK(json["tests"][0]["file"] == f.test);
  CHECK(json["standardisation"]["examples"] == 3);
}

TEST_CASE("train takes mean and sd from elsewhere when told to", "[cli]") {
  TrainFixture f;
  const std::string other = f.Write("b.csv", "x,y\n");
  CHECK(f.Train({"--standardise-from", f.data, "--standardise-from", other}).status == 0);
  REQUIRE(f.trainer.jobs[0].sums().datasets_size() == 2);
  CHECK(f.trainer.jobs[0].sums().datasets(1).path() == other);
}

TEST_CASE("A drawn seed is shown, so that it can be repeated", "[cli]") {
  TrainFixture f;
  const auto first = f.Train({}).Json()["seed"];
  CHECK(first == std::to_string(f.trainer.jobs[1].train().seed()));
  CHECK(f.Train({}).Json()["seed"] != first);
}

TEST_CASE("train refuses what does not fit together", "[cli]") {
  TrainFixture f;
  CHECK(f.Run({"train", "--plan", f.plan, "--data", f.data}).status == 1);
  CHECK(f.Run({"train", "--plan", f.plan, "--data", f.data, "--program", f.data}).status == 2);
  CHECK(f.Train({"--test", "/no/such/file"}).status == 1);
  CHECK(f.Train({"--format", "idx"}).status == 1);
  CHECK(f.Train({"--labels", f.data, "--labels", f.data}).status == 1);
  CHECK(f.trainer.jobs.empty());
}

TEST_CASE("Data sets by the look of their path", "[cli]") {
  TrainFixture f;
  CHECK(DatasetAt(f.data, "", {.label_column = "sick"}).format() == "csv");
  CHECK(DatasetAt(f.data, "", {.label_column = "sick"}).label_column() == "sick");
  CHECK(DatasetAt(f.folder.string(), "", {}).format() == "image_folder");
  CHECK(DatasetAt(f.data, f.test, {}).format() == "idx");
  CHECK(DatasetAt(f.data, f.test, {}).labels_path() == f.test);
  CHECK(DatasetAt(f.data, "", {.format = "image_folder"}).format() == "image_folder");
}

}  // namespace
}  // namespace federity::cli
