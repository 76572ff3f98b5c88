#include "common/plan/plan.h"

#include <cstdint>
#include <limits>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/plan/plan_words.h"

namespace federity {
namespace {

using config::StrictToml;

constexpr double kLargest = std::numeric_limits<double>::max();
constexpr double kSmallest = std::numeric_limits<double>::denorm_min();
constexpr int64_t kMaxContributions = 100'000;
constexpr absl::Duration kLongest = absl::Hours(24 * 365);

template <typename Enum, size_t n>
void ReadWord(StrictToml& toml, std::string_view key, const std::array<std::string_view, n>& words,
              Enum& value) {
  const std::string word = toml.OneOf(key, plan_words::WordOf(value, words),
                                      std::vector<std::string_view>(words.begin(), words.end()));
  for (size_t i = 0; i < n; ++i)
    if (words[i] == word) value = static_cast<Enum>(i);
}

void ReadData(StrictToml& toml, Plan::Data& data) {
  ReadWord(toml, "data.kind", plan_words::kDataKinds, data.kind);
  data.features = toml.Strings("data.features");
  data.label = toml.String("data.label", data.label);
  data.classes = toml.Labels("data.classes");
  ReadWord(toml, "data.missing", plan_words::kMissing, data.missing);
  if (toml.Has("data.range")) {
    const std::vector<double> range = toml.Numbers("data.range");
    if (range.size() == 2) {
      data.range_low = range[0];
      data.range_high = range[1];
    } else {
      toml.Fail("data.range", "must be a pair of numbers, as in [-8.0, 8.0]");
    }
  }
  ReadWord(toml, "data.standardise", plan_words::kStandardise, data.standardise);
  data.mean = toml.Numbers("data.mean");
  data.sd = toml.Numbers("data.sd");
  data.shape = toml.Integers("data.shape");
  data.scale = toml.Number("data.scale", data.scale, kSmallest, kLargest);
}

void ReadTraining(StrictToml& toml, Plan::Training& training) {
  ReadWord(toml, "training.loss", plan_words::kLosses, training.loss);
  ReadWord(toml, "training.optimizer", plan_words::kOptimizers, training.optimizer);
  training.learning_rate =
      toml.Number("training.learning_rate", training.learning_rate, kSmallest, kLargest);
  training.momentum = toml.Number("training.momentum", training.momentum, 0.0, 0.9999);
  training.weight_decay = toml.Number("training.weight_decay", training.weight_decay, 0.0, 1e6);
  training.proximal_mu = toml.Number("training.proximal_mu", training.proximal_mu, 0.0, 1e6);
  training.batch_size = toml.Integer("training.batch_size", training.batch_size, 1, 1'000'000);
  training.epochs = toml.Integer("training.epochs", training.epochs, 1, 1'000);
  training.seed = static_cast<uint64_t>(
      toml.Integer("training.seed", 0, 0, std::numeric_limits<int64_t>::max()));
  training.holdout = toml.Number("training.holdout", training.holdout, 0.0, 0.9);
  if (toml.Has("training.metrics")) {
    training.metrics = toml.Strings("training.metrics");
  } else if (training.loss == Plan::Loss::kMse) {
    training.metrics.clear();  // the default is for classes
  }
}

void ReadRound(StrictToml& toml, Plan::Round& round) {
  round.min_contributions =
      toml.Integer("round.min_contributions", round.min_contributions, 1, kMaxContributions);
  if (toml.Has("round.target_contributions"))
    round.target_contributions =
        toml.Integer("round.target_contributions", 1, 1, kMaxContributions);
  round.recruit_deadline =
      toml.Duration("round.recruit_deadline", round.recruit_deadline, absl::Seconds(1), kLongest);
  round.deadline = toml.Duration("round.deadline", round.deadline, absl::Seconds(1), kLongest);
}

Plan ReadPlan(StrictToml& toml) {
  Plan plan;
  ReadData(toml, plan.data);
  ReadTraining(toml, plan.training);
  ReadRound(toml, plan.round);
  plan.aggregation.strategy =
      toml.OneOf("aggregation.strategy", plan.aggregation.strategy, {"fedavg"});
  plan.aggregation.max_examples =
      toml.Integer("aggregation.max_examples", plan.aggregation.max_examples, 1, 1'000'000'000);
  plan.aggregation.max_update_norm = toml.Number(
      "aggregation.max_update_norm", plan.aggregation.max_update_norm, kSmallest, kLargest);
  ReadWord(toml, "proof.policy", plan_words::kProofPolicies, plan.proof.policy);
  plan.privacy.secure_aggregation =
      toml.Boolean("privacy.secure_aggregation", plan.privacy.secure_aggregation);
  return plan;
}

absl::Status AsPlanInvalid(const absl::Status& status) {
  if (status.ok()) return status;
  return Error(v1::ERROR_REASON_PLAN_INVALID, StrCat("the plan is refused: ", status.message()),
               MetadataOf(status));
}

absl::Status CheckFeatures(const Plan& plan) {
  const auto refuse = [](std::string_view setting, std::string_view feature) {
    return Error(v1::ERROR_REASON_FEATURE_NOT_AVAILABLE,
                 StrCat(setting, " asks for ", feature,
                        ", which this version does not have; leave the key out"),
                 {{"feature", std::string(feature)}});
  };
  if (plan.proof.policy == Plan::ProofPolicy::kTraining)
    return refuse("proof.policy = \"training\"", "training proofs");
  if (plan.privacy.secure_aggregation)
    return refuse("privacy.secure_aggregation = true", "secure aggregation");
  return absl::OkStatus();
}

}  // namespace

int64_t Plan::input_size() const {
  if (data.kind == DataKind::kTable) return static_cast<int64_t>(data.features.size());
  int64_t size = 1;
  for (const int64_t dimension : data.shape) size *= dimension;
  return size;
}

absl::StatusOr<Plan> ParsePlan(std::string_view toml) {
  auto document = StrictToml::Parse(toml);
  if (!document.ok()) return AsPlanInvalid(document.status());
  const Plan plan = ReadPlan(*document);
  // Wrong types and unknown keys first: a misspelt key often causes the
  // contradiction that would be reported otherwise.
  FEDERITY_RETURN_IF_ERROR(AsPlanInvalid(document->Finish()));
  plan_words::CheckPlan(plan, *document);
  FEDERITY_RETURN_IF_ERROR(AsPlanInvalid(document->Finish()));
  FEDERITY_RETURN_IF_ERROR(CheckFeatures(plan));
  return plan;
}

}  // namespace federity
