#ifndef FEDERITY_CLIENT_AGENT_CONVERSIONS_H_
#define FEDERITY_CLIENT_AGENT_CONVERSIONS_H_

#include <string_view>

#include "absl/status/status.h"
#include "common/plan/plan.h"
#include "federity/v1/commits.pb.h"
#include "federity/v1/statistics.pb.h"
#include "federity/worker/v1/worker.pb.h"

namespace federity::agent {

// Sums of one contributor.
v1::Metrics ToMetrics(const worker::v1::Metrics& metrics);

// The standardisation of an assignment for the trainer; nothing unless the plan
// is federated. INVALID_ARGUMENT if it is missing, does not fit the plan, does not
// have the digest that it claims, or is not signed by `coordinator_key`.
absl::Status FillStandardisation(const Plan& plan, const v1::Standardisation& standardisation,
                                 std::string_view coordinator_key,
                                 worker::v1::Standardisation& out);

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_CONVERSIONS_H_
