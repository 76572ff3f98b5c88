#include <charconv>
#include <optional>
#include <utility>

#include "common/base/strings.h"
#include "common/config/strict_toml.h"
#include "common/plan/plan.h"
#include "common/plan/plan_words.h"

namespace federity {
namespace {

// One TOML spelling for every value.

std::string Text(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);  // the checks let no control character in
  }
  quoted.push_back('"');
  return quoted;
}

// The shortest decimal that reads back as the same double, with a point.
std::string Number(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value == 0.0 ? 0.0 : value).ptr;
  std::string text(buffer, end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string Whole(int64_t value) { return StrCat(value); }

template <typename Values, typename Spell>
std::string List(const Values& values, Spell spell) {
  std::string text = "[";
  for (const auto& value : values) text += StrCat(text.size() > 1 ? ", " : "", spell(value));
  return text + "]";
}

// Every key of a plan in canonical order; no value where the key does not
// apply to this plan.
using Entry = std::pair<std::string_view, std::optional<std::string>>;

std::vector<Entry> Entries(const Plan& plan) {
  const bool table = plan.data.kind == Plan::DataKind::kTable;
  const bool fixed = plan.data.standardise == Plan::Standardise::kFixed;
  const auto when = [](bool applies, std::string text) {
    return applies ? std::optional<std::string>(std::move(text)) : std::nullopt;
  };
  const Plan::Data& data = plan.data;
  const Plan::Training& training = plan.training;
  const Plan::Round& round = plan.round;
  return {
      {"data.kind", Text(plan_words::WordOf(data.kind, plan_words::kDataKinds))},
      {"data.features", when(table, List(data.features, Text))},
      {"data.label", when(table, Text(data.label))},
      {"data.shape", when(!table, List(data.shape, Whole))},
      {"data.scale", when(!table, Number(data.scale))},
      {"data.classes", when(!data.classes.empty(), List(data.classes, Text))},
      {"data.missing", when(table, Text(plan_words::WordOf(data.missing, plan_words::kMissing)))},
      {"data.range", List(std::vector<double>{data.range_low, data.range_high}, Number)},
      {"data.standardise", Text(plan_words::WordOf(data.standardise, plan_words::kStandardise))},
      {"data.mean", when(fixed, List(data.mean, Number))},
      {"data.sd", when(fixed, List(data.sd, Number))},
      {"training.loss", Text(plan_words::WordOf(training.loss, plan_words::kLosses))},
      {"training.optimizer", Text(plan_words::WordOf(training.optimizer, plan_words::kOptimizers))},
      {"training.learning_rate", Number(training.learning_rate)},
      {"training.momentum", Number(training.momentum)},
      {"training.weight_decay", Number(training.weight_decay)},
      {"training.proximal_mu", Number(training.proximal_mu)},
      {"training.batch_size", Whole(training.batch_size)},
      {"training.epochs", Whole(training.epochs)},
      {"training.seed", StrCat(training.seed)},
      {"training.holdout", Number(training.holdout)},
      {"training.metrics", List(training.metrics, Text)},
      {"round.min_contributions", Whole(round.min_contributions)},
      {"round.target_contributions",
       when(round.target_contributions.has_value(), Whole(round.target_contributions.value_or(0)))},
      {"round.recruit_deadline", Text(config::FormatDuration(round.recruit_deadline))},
      {"round.deadline", Text(config::FormatDuration(round.deadline))},
      {"aggregation.strategy", Text(plan.aggregation.strategy)},
      {"aggregation.max_examples", Whole(plan.aggregation.max_examples)},
      {"aggregation.max_update_norm", Number(plan.aggregation.max_update_norm)},
      {"proof.policy", Text(plan_words::WordOf(plan.proof.policy, plan_words::kProofPolicies))},
      {"privacy.secure_aggregation", plan.privacy.secure_aggregation ? "true" : "false"},
  };
}

}  // namespace

std::string FormatPlan(const Plan& plan) {
  std::string text;
  std::string_view section;
  for (const auto& [key, value] : Entries(plan)) {
    if (!value) continue;
    const size_t dot = key.find('.');
    if (key.substr(0, dot) != section) {
      section = key.substr(0, dot);
      text += StrCat("[", section, "]\n");
    }
    text += StrCat(key.substr(dot + 1), " = ", *value, "\n");
  }
  return text;
}

crypto::Digest PlanDigest(const Plan& plan) {
  return crypto::Sha256(StrCat("federity/plan/v1\n", FormatPlan(plan)));
}

std::vector<std::string> PlanWarnings(const Plan& plan) {
  std::vector<std::string> warnings;
  if (plan.round.min_contributions < 3)
    warnings.push_back(
        StrCat("round.min_contributions = ", plan.round.min_contributions,
               ": of two contributors, each can subtract itself and see the other's update"));
  if (plan.training.holdout == 0.0)
    warnings.push_back("training.holdout = 0.0: no rows are kept back, so no version is evaluated");
  if (plan.data.kind == Plan::DataKind::kTable && plan.data.standardise == Plan::Standardise::kNone)
    warnings.push_back(StrCat("data.standardise = \"none\": raw values outside data.range ",
                              Number(plan.data.range_low), " to ", Number(plan.data.range_high),
                              " are clipped"));
  return warnings;
}

std::vector<std::string> PlanDifferences(const Plan& before, const Plan& after) {
  const std::vector<Entry> old_entries = Entries(before);
  const std::vector<Entry> new_entries = Entries(after);
  std::vector<std::string> lines;
  for (size_t i = 0; i < old_entries.size(); ++i) {
    const auto& [key, old_value] = old_entries[i];
    const auto& new_value = new_entries[i].second;
    if (old_value != new_value)
      lines.push_back(
          StrCat(key, ": ", old_value.value_or("(none)"), " → ", new_value.value_or("(none)")));
  }
  return lines;
}

}  // namespace federity
