#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "common/base/strings.h"
#include "common/plan/plan_words.h"

namespace federity::plan_words {
namespace {

using config::StrictToml;

constexpr size_t kMaxNameBytes = 256;
constexpr size_t kMaxClasses = 10'000;
constexpr size_t kMaxImageSide = 65'536;
constexpr int64_t kMaxImageValues = int64_t{1} << 28;
constexpr double kMaxRange = 1e6;

// Names of columns and classes end up in tables on terminals.
bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 0x7f; });
}

void CheckNames(StrictToml& toml, std::string_view key, const std::vector<std::string>& names) {
  std::set<std::string_view> seen;
  for (const std::string& name : names) {
    if (!IsName(name))
      toml.Fail(key, "each name must have 1 to 256 bytes and no control characters");
    if (!seen.insert(name).second) toml.Fail(key, StrCat("\"", name, "\" stands there twice"));
  }
}

void CheckTable(const Plan::Data& data, StrictToml& toml) {
  if (data.features.empty())
    toml.Fail("data.features", "is missing: list the columns, in the order of the model's input");
  CheckNames(toml, "data.features", data.features);
  CheckNames(toml, "data.label", {data.label});
  if (std::find(data.features.begin(), data.features.end(), data.label) != data.features.end())
    toml.Fail("data.features", StrCat("\"", data.label, "\" is the label and can't be a feature"));
  for (const std::string_view key : {"data.shape", "data.scale"})
    if (toml.Has(key)) toml.Fail(key, "is only for data.kind = \"images\"");
  if (data.missing == Plan::Missing::kMean && data.standardise == Plan::Standardise::kNone)
    toml.Fail("data.missing",
              "needs the means of a standardisation: set data.standardise to \"federated\" or "
              "\"fixed\", or data.missing to \"refuse\"");
}

void CheckImages(const Plan::Data& data, StrictToml& toml) {
  for (const std::string_view key : {"data.features", "data.label", "data.missing"})
    if (toml.Has(key)) toml.Fail(key, "is only for data.kind = \"table\"");
  int64_t values = 1;
  bool good = data.shape.size() == 3;
  for (const int64_t side : data.shape) {
    good = good && side >= 1 && side <= static_cast<int64_t>(kMaxImageSide);
    if (good) values *= side;
    good = good && values <= kMaxImageValues;
  }
  if (!good)
    toml.Fail("data.shape",
              "must be [channels, height, width], each at least 1, as in [1, 28, 28]");
  if (data.classes.empty()) toml.Fail("data.classes", "is missing: images have classes");
  if (data.standardise == Plan::Standardise::kFederated)
    toml.Fail("data.standardise", "\"federated\" is only for data.kind = \"table\"");
}

void CheckStandardisation(const Plan::Data& data, StrictToml& toml) {
  if (data.standardise != Plan::Standardise::kFixed) {
    for (const std::string_view key : {"data.mean", "data.sd"})
      if (toml.Has(key)) toml.Fail(key, "is only for data.standardise = \"fixed\"");
    return;
  }
  const bool table = data.kind == Plan::DataKind::kTable;
  const size_t wanted = table                ? data.features.size()
                        : data.shape.empty() ? 0
                                             : static_cast<size_t>(data.shape[0]);
  const std::string_view unit = table ? "feature" : "channel";
  const auto check = [&](std::string_view key, const std::vector<double>& values, bool positive) {
    if (values.size() != wanted)
      toml.Fail(key, StrCat("must have one number for each ", unit, ": ", wanted, ", not ",
                            values.size()));
    for (const double value : values)
      if (!std::isfinite(value) || (positive && value <= 0.0))
        toml.Fail(key, StrCat("each number must be finite", positive ? " and above 0" : ""));
  };
  check("data.mean", data.mean, false);
  check("data.sd", data.sd, true);
}

void CheckData(const Plan::Data& data, StrictToml& toml) {
  if (data.kind == Plan::DataKind::kTable) {
    CheckTable(data, toml);
  } else {
    CheckImages(data, toml);
  }
  CheckNames(toml, "data.classes", data.classes);
  if (data.classes.size() > kMaxClasses)
    toml.Fail("data.classes", StrCat("must have at most ", kMaxClasses, " classes"));
  // Written so that NaN is refused.
  if (!(data.range_low < data.range_high && data.range_low >= -kMaxRange &&
        data.range_high <= kMaxRange))
    toml.Fail("data.range", "the first number must be below the second, both within ±1000000");
  CheckStandardisation(data, toml);
}

void CheckTraining(const Plan& plan, StrictToml& toml) {
  const size_t classes = plan.data.classes.size();
  const std::string given = StrCat("data.classes lists ", classes);
  if (plan.training.loss == Plan::Loss::kCrossEntropy && classes < 2)
    toml.Fail("training.loss", StrCat("\"cross_entropy\" needs at least 2 classes; ", given));
  if (plan.training.loss == Plan::Loss::kBceWithLogits && classes != 2)
    toml.Fail("training.loss", StrCat("\"bce_with_logits\" needs exactly 2 classes; ", given));
  if (plan.training.loss == Plan::Loss::kMse && classes != 0)
    toml.Fail("training.loss", StrCat("\"mse\" is for regression, without classes; ", given));
  if (plan.training.optimizer != Plan::Optimizer::kSgd && plan.training.momentum != 0.0)
    toml.Fail("training.momentum", "is only for training.optimizer = \"sgd\"");
  CheckNames(toml, "training.metrics", plan.training.metrics);
  for (const std::string& metric : plan.training.metrics) {
    if (metric != "accuracy" && metric != "sensitivity" && metric != "specificity")
      toml.Fail("training.metrics", StrCat("\"", metric,
                                           "\" is not one of \"accuracy\", \"sensitivity\", "
                                           "\"specificity\""));
    if (classes == 0)
      toml.Fail("training.metrics", StrCat("\"", metric, "\" needs classes; for \"mse\" the loss ",
                                           "itself is the metric: write []"));
    if (metric != "accuracy" && classes != 2)
      toml.Fail("training.metrics", StrCat("\"", metric, "\" needs exactly 2 classes; ", given));
  }
}

}  // namespace

void CheckPlan(const Plan& plan, StrictToml& toml) {
  CheckData(plan.data, toml);
  CheckTraining(plan, toml);
  const Plan::Round& round = plan.round;
  if (round.target_contributions && *round.target_contributions < round.min_contributions)
    toml.Fail("round.target_contributions",
              StrCat("must be at least round.min_contributions, ", round.min_contributions));
  if (plan.proof.policy == Plan::ProofPolicy::kTraining && plan.privacy.secure_aggregation)
    toml.Fail("proof.policy",
              "\"training\" contradicts privacy.secure_aggregation = true: what is masked can't be "
              "proven yet; choose one");
}

}  // namespace federity::plan_words
