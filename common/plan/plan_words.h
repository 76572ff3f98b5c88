#ifndef FEDERITY_COMMON_PLAN_PLAN_WORDS_H_
#define FEDERITY_COMMON_PLAN_PLAN_WORDS_H_

#include <array>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/config/strict_toml.h"
#include "common/plan/plan.h"

namespace federity::plan_words {

// How the enumerations of a plan are spelt, in the order of their values.
inline constexpr std::array<std::string_view, 2> kDataKinds = {"table", "images"};
inline constexpr std::array<std::string_view, 2> kMissing = {"refuse", "mean"};
inline constexpr std::array<std::string_view, 3> kStandardise = {"none", "federated", "fixed"};
inline constexpr std::array<std::string_view, 3> kLosses = {"cross_entropy", "bce_with_logits",
                                                            "mse"};
inline constexpr std::array<std::string_view, 3> kOptimizers = {"sgd", "adam", "adamw"};
inline constexpr std::array<std::string_view, 2> kProofPolicies = {"none", "training"};

template <typename Enum, size_t n>
std::string_view WordOf(Enum value, const std::array<std::string_view, n>& words) {
  return words[static_cast<size_t>(value)];
}

// Records, in `toml`, what in a plan of well-formed values contradicts itself.
void CheckPlan(const Plan& plan, config::StrictToml& toml);

}  // namespace federity::plan_words

#endif  // FEDERITY_COMMON_PLAN_PLAN_WORDS_H_
