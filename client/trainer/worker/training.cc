#include "client/trainer/worker/training.h"

#include <torch/nn/functional/loss.h>
#include <torch/optim.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include "absl/strings/str_join.h"
#include "client/trainer/data/sampling.h"
#include "client/trainer/worker/model_impl.h"
#include "client/trainer/worker/torch_errors.h"
#include "common/base/status_macros.h"

namespace federity::trainer {
namespace {

// Fixed, so that a measurement does not depend on the plan's batch size.
constexpr size_t kMeasureBatch = 256;
constexpr double kNoLoss = std::numeric_limits<double>::quiet_NaN();

struct Batch {
  at::Tensor input;
  at::Tensor labels;  // int64 class indices or float32
};

std::vector<int64_t> InputShape(const Plan& plan, int64_t rows) {
  std::vector<int64_t> shape = {rows};
  if (plan.data.kind == Plan::DataKind::kImages) {
    shape.insert(shape.end(), plan.data.shape.begin(), plan.data.shape.end());
  } else {
    shape.push_back(plan.input_size());
  }
  return shape;
}

// Cuts batches out of the examples, which it only borrows.
class Batches {
 public:
  Batches(const Plan& plan, const Examples& examples, at::Device device)
      : plan_(plan), device_(device) {
    // from_blob takes no const pointer; nothing writes through it.
    values_ = at::from_blob(const_cast<float*>(examples.values.data()),
                            {examples.rows, examples.width}, at::kFloat);
    labels_ =
        at::from_blob(const_cast<float*>(examples.labels.data()), {examples.rows}, at::kFloat);
  }

  Batch Take(std::span<const int64_t> rows) const {
    const auto count = static_cast<int64_t>(rows.size());
    const at::Tensor index = at::from_blob(const_cast<int64_t*>(rows.data()), {count}, at::kLong);
    Batch batch{.input = values_.index_select(0, index).view(InputShape(plan_, count)),
                .labels = labels_.index_select(0, index)};
    if (plan_.training.loss == Plan::Loss::kCrossEntropy) batch.labels = batch.labels.to(at::kLong);
    batch.input = batch.input.to(device_);
    batch.labels = batch.labels.to(device_);
    return batch;
  }

 private:
  const Plan& plan_;
  at::Device device_;
  at::Tensor values_;
  at::Tensor labels_;
};

std::string_view LossName(Plan::Loss loss) {
  return loss == Plan::Loss::kCrossEntropy    ? "cross_entropy"
         : loss == Plan::Loss::kBceWithLogits ? "bce_with_logits"
                                              : "mse";
}

// The model's output if it is what the loss needs: [B,K], or [B] or [B,1] as [B].
absl::StatusOr<at::Tensor> CheckOutput(const c10::IValue& value, const Plan& plan, int64_t rows) {
  if (!value.isTensor()) {
    return Failure(kModelFailed, StrCat("the model's forward returns ", value.tagKind(),
                                         ", not a tensor; let it return the logits alone"));
  }
  const at::Tensor& output = value.toTensor();
  const auto classes = static_cast<int64_t>(plan.data.classes.size());
  const bool table = plan.training.loss == Plan::Loss::kCrossEntropy;
  const bool fits = table ? output.dim() == 2 && output.size(0) == rows && output.size(1) == classes
                          : (output.dim() == 1 || (output.dim() == 2 && output.size(1) == 1)) &&
                                output.size(0) == rows;
  if (!fits) {
    const std::string wanted =
        table ? StrCat("[", rows, ", ", classes, "], a logit for each of data.classes")
              : StrCat("[", rows, "] or [", rows, ", 1]");
    return Failure(kModelFailed, StrCat("the model's output for ", rows, " rows has the shape [",
                                         absl::StrJoin(output.sizes(), ", "), "]; training.loss \"",
                                         LossName(plan.training.loss), "\" needs ", wanted));
  }
  if (output.scalar_type() != at::kFloat) {
    return Failure(kModelFailed, StrCat("the model's output is of type ",
                                         c10::toString(output.scalar_type()), ", not float32"));
  }
  return table ? output : output.view({rows});
}

absl::StatusOr<at::Tensor> Forward(torch::jit::Module& module, const Plan& plan,
                                   const at::Tensor& input) {
  return CheckOutput(module.forward({input}), plan, input.size(0));
}

at::Tensor MeanLoss(const Plan& plan, const at::Tensor& output, const at::Tensor& labels) {
  switch (plan.training.loss) {
    case Plan::Loss::kCrossEntropy:
      return at::cross_entropy_loss(output, labels);
    case Plan::Loss::kBceWithLogits:
      return at::binary_cross_entropy_with_logits(output, labels);
    case Plan::Loss::kMse:
      break;
  }
  return at::mse_loss(output, labels);
}

// An exception out of the model's own code. What it says may hold values of the
// data, so it stays here unless the data are random.
absl::Status ModelFailure(const std::exception& error, bool show) {
  if (show) {
    return Failure(kModelFailed,
                   StrCat("the model fails on a batch of two rows: ", TorchMessage(error)));
  }
  return Failure(kModelFailed,
                 "the model fails on a batch of the data; what it says is not passed on, since it "
                 "could hold values");
}

std::unique_ptr<torch::optim::Optimizer> MakeOptimizer(const Plan::Training& training,
                                                       const std::vector<at::Tensor>& parameters) {
  switch (training.optimizer) {
    case Plan::Optimizer::kAdam:
      return std::make_unique<torch::optim::Adam>(
          parameters,
          torch::optim::AdamOptions(training.learning_rate).weight_decay(training.weight_decay));
    case Plan::Optimizer::kAdamw:
      return std::make_unique<torch::optim::AdamW>(
          parameters,
          torch::optim::AdamWOptions(training.learning_rate).weight_decay(training.weight_decay));
    case Plan::Optimizer::kSgd:
      break;
  }
  return std::make_unique<torch::optim::SGD>(parameters,
                                             torch::optim::SGDOptions(training.learning_rate)
                                                 .momentum(training.momentum)
                                                 .weight_decay(training.weight_decay));
}

at::Device DeviceOf(bool cuda) { return at::Device(cuda ? at::kCUDA : at::kCPU); }

// One training run.
class Trainer {
 public:
  Trainer(torch::jit::Module& module, const Plan& plan, const TrainSettings& settings)
      : module_(module), plan_(plan) {
    torch::manual_seed(settings.seed);  // dropout
    module_.to(DeviceOf(settings.cuda));
    module_.train();
    for (const at::Tensor& parameter : module_.parameters()) {
      if (parameter.requires_grad()) parameters_.push_back(parameter);
    }
    if (plan.training.proximal_mu > 0) {
      for (const at::Tensor& parameter : parameters_) base_.push_back(parameter.detach().clone());
    }
    optimizer_ = MakeOptimizer(plan.training, parameters_);
  }

  // The mean loss of the batch before the step.
  absl::StatusOr<double> Step(const Batch& batch) {
    optimizer_->zero_grad();
    FEDERITY_ASSIGN_OR_RETURN(const at::Tensor output, Forward(module_, plan_, batch.input));
    const at::Tensor loss = MeanLoss(plan_, output, batch.labels);
    const auto value = loss.item<double>();
    if (!std::isfinite(value)) {
      return Failure(kTrainingDiverged,
                     "the loss is no longer finite; a smaller learning_rate, standardised features "
                     "or a narrower data.range help");
    }
    loss.backward();
    AddProximalTerm();
    optimizer_->step();
    return value;
  }

  // Parameters that the loss does not depend on.
  std::vector<std::string> Unused() const {
    std::vector<std::string> names;
    for (const auto& named : module_.named_parameters()) {
      if (named.value.requires_grad() && !named.value.grad().defined()) names.push_back(named.name);
    }
    return names;
  }

 private:
  // FedProx (Li et al. 2020): mu/2 |w - w0|² in the loss, mu (w - w0) in the
  // gradient.
  void AddProximalTerm() {
    const torch::NoGradGuard no_grad;
    for (size_t i = 0; i < base_.size(); ++i) {
      at::Tensor gradient = parameters_[i].grad();
      if (gradient.defined()) gradient.add_(parameters_[i] - base_[i], plan_.training.proximal_mu);
    }
  }

  torch::jit::Module& module_;
  const Plan& plan_;
  std::vector<at::Tensor> parameters_;
  std::vector<at::Tensor> base_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

// The slices of an epoch's order.
std::vector<std::span<const int64_t>> CutBatches(const std::vector<int64_t>& order,
                                                 int64_t batch_size) {
  std::vector<std::span<const int64_t>> batches;
  const auto size = static_cast<size_t>(batch_size);
  for (size_t begin = 0; begin < order.size(); begin += size) {
    batches.push_back(std::span(order).subspan(begin, std::min(size, order.size() - begin)));
  }
  if (batches.size() > 1 && batch_size > 1 && batches.back().size() == 1) batches.pop_back();
  return batches;
}

void AddToMeasurement(const Plan& plan, const at::Tensor& output, const at::Tensor& labels,
                      Measurement& sum) {
  const int64_t rows = output.size(0);
  sum.examples += rows;
  sum.loss_sum += MeanLoss(plan, output, labels).item<double>() * static_cast<double>(rows);
  if (sum.confusion.empty()) return;
  const bool table = plan.training.loss == Plan::Loss::kCrossEntropy;
  const auto classes = static_cast<int64_t>(table ? plan.data.classes.size() : 2);
  const at::Tensor predicted =
      (table ? output.argmax(1) : (output > 0)).to(at::kCPU, at::kLong).contiguous();
  const at::Tensor actual = (table ? labels : labels >= 0.5).to(at::kCPU, at::kLong).contiguous();
  const auto* p = predicted.data_ptr<int64_t>();
  const auto* a = actual.data_ptr<int64_t>();
  for (int64_t i = 0; i < rows; ++i) ++sum.confusion[static_cast<size_t>(a[i] * classes + p[i])];
}

}  // namespace

absl::StatusOr<Measurement> Measure(Model& model, const Plan& plan, const Examples& examples,
                                    const std::vector<int64_t>& rows,
                                    const StepProgress& progress) {
  Measurement sum;
  if (plan.training.loss != Plan::Loss::kMse) {
    const bool table = plan.training.loss == Plan::Loss::kCrossEntropy;
    const size_t classes = table ? plan.data.classes.size() : 2;
    sum.confusion.assign(classes * classes, 0);
  }
  const absl::Status caught = CatchTorch(
      [&]() -> absl::Status {
        const torch::NoGradGuard no_grad;
        torch::jit::Module& module = model.impl().module;
        module.eval();
        const Batches batches(plan, examples, (*module.parameters().begin()).device());
        for (size_t begin = 0; begin < rows.size(); begin += kMeasureBatch) {
          const size_t count = std::min(kMeasureBatch, rows.size() - begin);
          const Batch batch = batches.Take(std::span(rows).subspan(begin, count));
          FEDERITY_ASSIGN_OR_RETURN(const at::Tensor output, Forward(module, plan, batch.input));
          AddToMeasurement(plan, output, batch.labels, sum);
          if (progress) {
            progress(static_cast<double>(begin + count) / static_cast<double>(rows.size()),
                     kNoLoss);
          }
        }
        return absl::OkStatus();
      },
      [](const std::exception& error) { return ModelFailure(error, false); });
  FEDERITY_RETURN_IF_ERROR(caught);
  return sum;
}

absl::StatusOr<TrainOutcome> TrainModel(Model& model, const Plan& plan, const Examples& examples,
                                        const std::vector<int64_t>& rows,
                                        const TrainSettings& settings,
                                        const StepProgress& progress) {
  TrainOutcome outcome;
  const auto start = std::chrono::steady_clock::now();
  const absl::Status caught = CatchTorch(
      [&]() -> absl::Status {
        Trainer trainer(model.impl().module, plan, settings);
        const Batches batches(plan, examples, DeviceOf(settings.cuda));
        for (int64_t epoch = 0; epoch < settings.epochs; ++epoch) {
          // An epoch's order depends on the seed and its number alone.
          std::vector<int64_t> order = rows;
          Random random(settings.seed + static_cast<uint64_t>(epoch) * 0x9e3779b97f4a7c15);
          Shuffle(order, random);
          const auto cuts = CutBatches(order, plan.training.batch_size);
          double loss_sum = 0;
          double seen = 0;
          for (size_t i = 0; i < cuts.size(); ++i) {
            FEDERITY_ASSIGN_OR_RETURN(const double loss, trainer.Step(batches.Take(cuts[i])));
            loss_sum += loss * static_cast<double>(cuts[i].size());
            seen += static_cast<double>(cuts[i].size());
            if (progress) {
              const double part = static_cast<double>(i + 1) / static_cast<double>(cuts.size());
              progress((static_cast<double>(epoch) + part) / static_cast<double>(settings.epochs),
                       loss_sum / seen);
            }
          }
          outcome.loss = loss_sum / seen;
        }
        return absl::OkStatus();
      },
      [](const std::exception& error) { return ModelFailure(error, false); });
  FEDERITY_RETURN_IF_ERROR(caught);
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return outcome;
}

absl::StatusOr<std::vector<std::string>> DryRun(Model& model, const Plan& plan) {
  constexpr int64_t kRows = 2;
  std::vector<std::string> warnings;
  const absl::Status caught = CatchTorch(
      [&]() -> absl::Status {
        torch::manual_seed(1);
        Trainer trainer(model.impl().module, plan, {});
        Batch batch{.input = torch::rand(InputShape(plan, kRows)), .labels = torch::zeros({kRows})};
        if (plan.training.loss == Plan::Loss::kCrossEntropy) {
          batch.labels = batch.labels.to(at::kLong);
        }
        FEDERITY_RETURN_IF_ERROR(trainer.Step(batch).status());
        if (const auto unused = trainer.Unused(); !unused.empty()) {
          warnings.push_back(StrCat("the output does not depend on these parameters: ",
                                    absl::StrJoin(unused, ", ")));
        }
        model.impl().module.eval();
        return Forward(model.impl().module, plan, batch.input).status();
      },
      [](const std::exception& error) { return ModelFailure(error, true); });
  FEDERITY_RETURN_IF_ERROR(caught);
  return warnings;
}

}  // namespace federity::trainer
