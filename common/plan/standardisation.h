#ifndef FEDERITY_COMMON_PLAN_STANDARDISATION_H_
#define FEDERITY_COMMON_PLAN_STANDARDISATION_H_

#include <string>
#include <string_view>
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

// What the coordinator's signature over a standardisation's digest is labelled with.
inline constexpr std::string_view kStandardisationLabel = "federity/standardisation/v1";

// SHA-256 over the canonical text (docs/formats/standardisation.md):
// "federity/standardisation/v1\n", then for each feature mean and sd as %.17g,
// then examples and contributors.
crypto::Digest StandardisationDigest(const StandardisationValues& values);

// Sums over rows, exact: with X = x·2^40 rounded half to even, ΣX and ΣX². They
// do not depend on the order of rows or sites. Within the limits below no sum or
// product overflows (docs/formats/standardisation.md).
inline constexpr int kStatisticsScaleBits = 40;
inline constexpr double kMaxStatisticsValue = 0x1p44;               // |x|
inline constexpr int64_t kMaxStatisticsRows = int64_t{1} << 30;     // of one contributor
inline constexpr int64_t kMaxStatisticsAllRows = int64_t{1} << 40;  // of all together
struct FixedFeatureSums {
  std::string sum;             // 16 bytes: two's complement, the highest byte first
  std::string sum_of_squares;  // 32 bytes: unsigned, the highest byte first
  int64_t count = 0;
};

// Adds up contributors' sums and freezes them. INVALID_ARGUMENT naming the
// feature for sums that are malformed, beyond the limits, or of no possible rows
// (a negative variance), and where nobody has a value. Bit-identical on every
// machine: integers up to the last step, then IEEE 754 operations.
absl::StatusOr<StandardisationValues> FreezeStandardisation(
    const std::vector<std::vector<FixedFeatureSums>>& contributions, size_t features);

// Sums of one contributor's rows. `rows` is row-major, rows.size() a multiple
// of `features`; NaN is a missing value and not counted. INVALID_ARGUMENT naming
// row and feature for a value or a number of rows beyond the limits.
absl::StatusOr<std::vector<FixedFeatureSums>> ComputeFeatureSums(const std::vector<double>& rows,
                                                                 size_t features);

}  // namespace federity

#endif  // FEDERITY_COMMON_PLAN_STANDARDISATION_H_
