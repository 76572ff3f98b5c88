#ifndef FEDERITY_SERVER_STATISTICS_SUMS_CODEC_H_
#define FEDERITY_SERVER_STATISTICS_SUMS_CODEC_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/plan/standardisation.h"

namespace federity::statistics {

// Sums as they lie in statistics_answers.sums until the run ends: a JSON array of
// [sum, sum of squares, count], the first two as decimal text.
std::string FormatSums(const std::vector<FixedFeatureSums>& sums);
// INTERNAL for anything that FormatSums does not write.
absl::StatusOr<std::vector<FixedFeatureSums>> ParseSums(std::string_view json);

}  // namespace federity::statistics

#endif  // FEDERITY_SERVER_STATISTICS_SUMS_CODEC_H_
