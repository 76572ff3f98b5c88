#ifndef FEDERITY_SERVER_ROUNDS_METRICS_CHECK_H_
#define FEDERITY_SERVER_ROUNDS_METRICS_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "common/plan/plan.h"
#include "federity/v1/commits.pb.h"

namespace federity::rounds {

// More rows than this are no data set of a hospital.
inline constexpr int64_t kMaxExamples = 1'000'000'000'000;

// METRICS_INVALID unless the number of rows trained on is possible.
absl::Status CheckExamples(int64_t examples);

// METRICS_INVALID for sums that no evaluation under this plan can give: negative
// or absurd counts, a loss that is not finite, a confusion matrix of another
// size or sum. Nothing measured (all zero) is fine: a data set without hold-out.
absl::Status CheckMetrics(const v1::Metrics& metrics, const Plan& plan);

// A bigint[] as PostgreSQL writes it, and back.
std::string FormatConfusion(const google::protobuf::RepeatedField<int64_t>& confusion);
google::protobuf::RepeatedField<int64_t> ParseConfusion(const std::string& text);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_METRICS_CHECK_H_
