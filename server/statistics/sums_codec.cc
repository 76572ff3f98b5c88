#include "server/statistics/sums_codec.h"

#include <nlohmann/json.hpp>

namespace federity::statistics {

std::string FormatSums(const std::vector<FixedFeatureSums>& sums) {
  auto json = nlohmann::json::array();
  for (const FixedFeatureSums& feature : sums) {
    json.push_back({feature.sum, feature.sum_of_squares, feature.count});
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<std::vector<FixedFeatureSums>> ParseSums(std::string_view json) {
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_array()) return absl::InternalError("kept sums do not parse");
  std::vector<FixedFeatureSums> sums;
  for (const auto& feature : parsed) {
    if (!feature.is_array() || feature.size() != 3 || !feature[0].is_string() ||
        !feature[1].is_string() || !feature[2].is_number_integer()) {
      return absl::InternalError("kept sums do not parse");
    }
    sums.push_back(
        {feature[0].get<std::string>(), feature[1].get<std::string>(), feature[2].get<int64_t>()});
  }
  return sums;
}

}  // namespace federity::statistics
