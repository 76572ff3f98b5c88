#ifndef FEDERITY_COMMON_PLAN_PLAN_H_
#define FEDERITY_COMMON_PLAN_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/digest.h"

namespace federity {

// A repository's plan, checked. Every field has its default here; what they
// mean is in docs/plan.md. A regular value type.
struct Plan {
  enum class DataKind { kTable, kImages };
  enum class Missing { kRefuse, kMean };
  enum class Standardise { kNone, kFederated, kFixed };
  enum class Loss { kCrossEntropy, kBceWithLogits, kMse };
  enum class Optimizer { kSgd, kAdam, kAdamw };
  enum class ProofPolicy { kNone, kTraining };

  struct Data {
    DataKind kind = DataKind::kTable;
    std::vector<std::string> features;  // tables: the order of the model's input
    std::string label = "label";
    std::vector<std::string> classes;  // empty: regression
    Missing missing = Missing::kRefuse;
    double range_low = -8.0;  // after standardisation
    double range_high = 8.0;
    Standardise standardise = Standardise::kNone;
    std::vector<double> mean;  // kFixed only
    std::vector<double> sd;
    std::vector<int64_t> shape;  // images: [channels, height, width]
    double scale = 255.0;        // images: pixel values are divided by it
    friend bool operator==(const Data&, const Data&) = default;
  } data;

  struct Training {
    Loss loss = Loss::kCrossEntropy;
    Optimizer optimizer = Optimizer::kSgd;
    double learning_rate = 0.1;
    double momentum = 0.0;
    double weight_decay = 0.0;
    double proximal_mu = 0.0;
    int64_t batch_size = 32;
    int64_t epochs = 1;
    uint64_t seed = 0;  // 0: drawn per round and recorded
    double holdout = 0.2;
    std::vector<std::string> metrics = {"accuracy"};
    friend bool operator==(const Training&, const Training&) = default;
  } training;

  struct Round {
    int64_t min_contributions = 3;
    std::optional<int64_t> target_contributions;
    absl::Duration recruit_deadline = absl::Hours(24);
    absl::Duration deadline = absl::Minutes(10);
    friend bool operator==(const Round&, const Round&) = default;
  } round;

  struct Aggregation {
    std::string strategy = "fedavg";
    int64_t max_examples = 100'000;
    double max_update_norm = 10.0;
    friend bool operator==(const Aggregation&, const Aggregation&) = default;
  } aggregation;

  struct Proof {
    ProofPolicy policy = ProofPolicy::kNone;
    friend bool operator==(const Proof&, const Proof&) = default;
  } proof;

  struct Privacy {
    bool secure_aggregation = false;
    friend bool operator==(const Privacy&, const Privacy&) = default;
  } privacy;

  friend bool operator==(const Plan&, const Plan&) = default;

  // Number of values that one example has: features, or the product of shape.
  int64_t input_size() const;
};

// Parses and checks TOML text of at most 1 MiB. PLAN_INVALID, naming key, value
// and remedy, for a syntax error (with line), an unknown key, a wrong type, a
// value out of range or a contradiction; FEATURE_NOT_AVAILABLE for proofs and
// secure aggregation until they land.
absl::StatusOr<Plan> ParsePlan(std::string_view toml);

// Canonical TOML: every key, in the order of docs/plan.md, one spelling for
// every value. ParsePlan(FormatPlan(p)) == p.
std::string FormatPlan(const Plan& plan);

// SHA-256 over "federity/plan/v1\n" and the canonical text.
crypto::Digest PlanDigest(const Plan& plan);

// What a reader should think twice about (min_contributions below 3, …).
std::vector<std::string> PlanWarnings(const Plan& plan);

// The keys that differ, as "key: old → new" lines in canonical order.
std::vector<std::string> PlanDifferences(const Plan& before, const Plan& after);

}  // namespace federity

#endif  // FEDERITY_COMMON_PLAN_PLAN_H_
