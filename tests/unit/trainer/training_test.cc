#include "client/trainer/worker/training.h"

#include <cmath>
#include <numeric>

#include "tests/unit/trainer/torch_testing.h"

namespace federity::trainer {
namespace {

using testing::LinearModule;
using testing::Loaded;

// One feature, one output, no holdout: small enough to follow by hand.
Plan RegressionPlan() {
  Plan plan;
  plan.data.features = {"x"};
  plan.training.loss = Plan::Loss::kMse;
  plan.training.learning_rate = 0.1;
  plan.training.batch_size = 2;
  plan.training.metrics.clear();
  return plan;
}
// y = 3x on x = 1 and 2.
Examples TwoRows() { return {.rows = 2, .width = 1, .values = {1, 2}, .labels = {3, 6}}; }
std::vector<int64_t> AllRows(const Examples& examples) {
  std::vector<int64_t> rows(static_cast<size_t>(examples.rows));
  std::iota(rows.begin(), rows.end(), int64_t{0});
  return rows;
}

double TrainedWeight(const Plan& plan, const Examples& examples, int64_t epochs) {
  auto model = *Loaded(LinearModule(1, 1, 1.0F));
  const auto outcome =
      TrainModel(*model, plan, examples, AllRows(examples), {.epochs = epochs}, {});
  INFO(outcome.status());
  REQUIRE(outcome.ok());
  return model->impl().Tensors()[0].item<double>();
}

// Gradient of the mean of (w·x - 3x)² over x = 1, 2.
double Gradient(double w) { return 5.0 * (w - 3.0); }

TEST_CASE("SGD with momentum, weight decay and the proximal term steps as by hand") {
  Plan plan = RegressionPlan();
  double w = 1.0;
  CHECK(TrainedWeight(plan, TwoRows(), 1) == Approx(w - 0.1 * Gradient(w)));

  plan.training.momentum = 0.5;
  plan.training.weight_decay = 0.01;
  plan.training.proximal_mu = 0.2;
  plan.training.learning_rate = 0.01;
  double velocity = 0;
  for (int step = 0; step < 3; ++step) {
    const double gradient = Gradient(w) + 0.2 * (w - 1.0) + 0.01 * w;
    velocity = 0.5 * velocity + gradient;
    w -= 0.01 * velocity;
  }
  CHECK(TrainedWeight(plan, TwoRows(), 3) == Approx(w));
}

TEST_CASE("Adam and AdamW step as in their papers") {
  const bool decoupled = GENERATE(false, true);
  Plan plan = RegressionPlan();
  plan.training.optimizer = decoupled ? Plan::Optimizer::kAdamw : Plan::Optimizer::kAdam;
  plan.training.weight_decay = 0.1;
  double w = 1.0;
  double m = 0;
  double v = 0;
  for (int step = 1; step <= 3; ++step) {
    double gradient = Gradient(w);
    if (decoupled) {
      w -= 0.1 * 0.1 * w;
    } else {
      gradient += 0.1 * w;
    }
    m = 0.9 * m + 0.1 * gradient;
    v = 0.999 * v + 0.001 * gradient * gradient;
    w -=
        0.1 * (m / (1 - std::pow(0.9, step))) / (std::sqrt(v / (1 - std::pow(0.999, step))) + 1e-8);
  }
  CHECK(TrainedWeight(plan, TwoRows(), 3) == Approx(w));
}

TEST_CASE("Losses and confusion counts are what they are called") {
  Examples examples{.rows = 3, .width = 1, .values = {1, -2, 0.5F}, .labels = {1, 0, 0}};
  Plan plan = RegressionPlan();

  SECTION("mse") {
    auto model = *Loaded(LinearModule(1, 1, 2.0F));
    const auto measured = Measure(*model, plan, examples, {0, 1, 2}, {});
    REQUIRE(measured.ok());
    CHECK(measured->loss_sum == Approx(1 + 16 + 1));
    CHECK(measured->confusion.empty());
  }
  SECTION("bce_with_logits") {
    plan.training.loss = Plan::Loss::kBceWithLogits;
    plan.data.classes = {"no", "yes"};
    auto model = *Loaded(LinearModule(1, 1, 2.0F));
    const auto measured = Measure(*model, plan, examples, {0, 1, 2}, {});
    REQUIRE(measured.ok());
    const auto softplus = [](double z) { return std::log1p(std::exp(z)); };
    CHECK(measured->loss_sum == Approx(softplus(-2) + softplus(-4) + softplus(1)));
    CHECK(measured->confusion == std::vector<int64_t>{1, 1, 0, 1});
  }
  SECTION("cross_entropy") {
    plan.training.loss = Plan::Loss::kCrossEntropy;
    plan.data.classes = {"a", "b", "c"};
    torch::jit::Module module = LinearModule(1, 3, 0.0F);
    module.setattr("w", torch::tensor({{0.0F, 1.0F, -1.0F}}).requires_grad_());
    auto model = *Loaded(module);
    const auto measured = Measure(*model, plan, examples, {0, 1, 2}, {});
    REQUIRE(measured.ok());
    const auto loss = [](double x, int label) {
      const double logits[] = {0, x, -x};
      return std::log(1 + std::exp(x) + std::exp(-x)) - logits[label];
    };
    CHECK(measured->loss_sum == Approx(loss(1, 1) + loss(-2, 0) + loss(0.5, 0)));
    CHECK(measured->confusion == std::vector<int64_t>{0, 1, 1, 0, 1, 0, 0, 0, 0});
    CHECK(measured->examples == 3);
  }
}

TEST_CASE("A last batch of one row is left out, unless it is all there is") {
  Plan plan = RegressionPlan();
  auto counting = [&](int64_t rows, int64_t batch_size) {
    Examples examples{.rows = rows, .width = 1};
    examples.values.assign(static_cast<size_t>(rows), 1.0F);
    examples.labels.assign(static_cast<size_t>(rows), 1.0F);
    plan.training.batch_size = batch_size;
    auto module = LinearModule(1, 1, 1.0F);
    module.register_buffer("steps", torch::zeros({}, at::kLong));
    module.define(
        "def count(self, x):\n    if self.training:\n        self.steps = self.steps + 1\n    "
        "return torch.matmul(x, self.w)\n");
    torch::jit::Module outer("Outer");
    outer.register_module("inner", module);
    outer.register_attribute("training", c10::BoolType::get(), true);
    outer.define("def forward(self, x):\n    return self.inner.count(x)\n");
    auto model = *Loaded(outer);
    REQUIRE(TrainModel(*model, plan, examples, AllRows(examples), {}, {}).ok());
    return model->impl().Tensors()[1].item<int64_t>();
  };
  CHECK(counting(5, 2) == 2);
  CHECK(counting(6, 2) == 3);
  CHECK(counting(1, 2) == 1);
  CHECK(counting(5, 1) == 5);
  CHECK(counting(5, 3) == 2);
}

TEST_CASE("A loss that is not finite is divergence") {
  Examples examples = TwoRows();
  examples.labels[0] = std::numeric_limits<float>::infinity();
  auto model = *Loaded(LinearModule(1, 1, 1.0F));
  const auto outcome = TrainModel(*model, RegressionPlan(), examples, {0, 1}, {}, {});
  CHECK(FailureReason(outcome.status()) == kTrainingDiverged);
}

TEST_CASE("Outputs that do not fit the loss are refused, with both shapes") {
  Plan plan = RegressionPlan();
  const auto refuse = [&](const std::string& body, std::string_view message) {
    torch::jit::Module module("Odd");
    module.register_parameter("w", torch::ones({1, 2}, at::requires_grad()), false);
    module.register_attribute("training", c10::BoolType::get(), true);
    module.define("def forward(self, x):\n    " + body + "\n");
    auto model = *Loaded(module);
    const auto status = DryRun(*model, plan).status();
    INFO(status);
    CHECK(FailureReason(status) == kModelFailed);
    CHECK_THAT(std::string(status.message()), Catch::Contains(std::string(message)));
  };
  refuse("return torch.matmul(x, self.w)", "[2, 2]; training.loss \"mse\" needs [2] or [2, 1]");
  refuse("return torch.matmul(x, self.w).sum()", "[]");
  refuse("return (x, self.w)", "Tuple");
  refuse("return torch.matmul(x, self.w).double()[:, 0]", "Double");
  refuse("return torch.matmul(self.w.t(), x)", "fails on a batch of two rows: mat1 and mat2");
  plan.training.loss = Plan::Loss::kCrossEntropy;
  plan.data.classes = {"a", "b", "c"};
  refuse("return torch.matmul(x, self.w)", "needs [2, 3]");
}

TEST_CASE("What a model says about the data stays in the trainer") {
  torch::jit::Module module = LinearModule(1, 1, 1.0F);
  torch::jit::Module outer("Outer");
  outer.register_module("inner", module);
  outer.register_attribute("training", c10::BoolType::get(), true);
  outer.define(
      "def forward(self, x):\n    assert bool(x.sum() <= 0), 'value ' + str(float(x[0, 0]))\n    "
      "return self.inner.forward(x)\n");
  auto model = *Loaded(outer);
  Examples examples = TwoRows();
  examples.values = {123.75F, 123.75F};
  const auto status = Measure(*model, RegressionPlan(), examples, {0, 1}, {}).status();
  CHECK(FailureReason(status) == kModelFailed);
  CHECK_THAT(std::string(status.message()), !Catch::Contains("123.75"));
}

TEST_CASE("The dry run tells of parameters without influence") {
  torch::jit::Module module = LinearModule(1, 1, 1.0F);
  module.register_parameter("idle", torch::ones({2}, at::requires_grad()), false);
  auto model = *Loaded(module);
  const auto warnings = DryRun(*model, RegressionPlan());
  REQUIRE(warnings.ok());
  REQUIRE(warnings->size() == 1);
  CHECK_THAT(warnings->front(), Catch::Contains("idle"));
}

}  // namespace
}  // namespace federity::trainer
