#ifndef FEDERITY_COMMON_PLAN_STANDARDISATION_H_
#define FEDERITY_COMMON_PLAN_STANDARDISATION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/crypto/digest.h"

namespace federity {

// Mean and standard deviation per feature, frozen from federated sums or
// pooled ones. A regular value type.
struct StandardisationValues {
  std::vector<double> mean;
  std::vector<double> sd;  // population; a constant feature gets 1
  int64_t examples = 0;
  int32_t contributors = 0;
  friend bool operator==(const StandardisationValues&, const StandardisationValues&) = default;
};

// SHA-256 over the canonical text (docs/formats/standardisation.md):
// "federity/standardisation/v1\n", then for each feature mean and sd as %.17g,
// then examples and contributors.
crypto::Digest StandardisationDigest(const StandardisationValues& values);

// Sums over rows in fixed point: values times 2^20, rounded half to even, in
// 128 bits, so that the result does not depend on the order of rows or sites.
inline constexpr int kStatisticsScaleBits = 20;
struct FixedFeatureSums {
  std::string sum;             // decimal
  std::string sum_of_squares;  // decimal: Σ round(x²·2^20)
  int64_t count = 0;
};

// Adds up contributors' sums and freezes them. INVALID_ARGUMENT for sums that
// are malformed, beyond 2^100, or impossible (negative variance beyond
// rounding, a count below 1).
absl::StatusOr<StandardisationValues> FreezeStandardisation(
    const std::vector<std::vector<FixedFeatureSums>>& contributions, size_t features);

// Sums of one contributor's rows. `rows` is row-major, rows.size() a multiple
// of `features`; NaN is a missing value and not counted.
std::vector<FixedFeatureSums> ComputeFeatureSums(const std::vector<double>& rows, size_t features);

}  // namespace federity

#endif  // FEDERITY_COMMON_PLAN_STANDARDISATION_H_
