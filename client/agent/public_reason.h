#ifndef FEDERITY_CLIENT_AGENT_PUBLIC_REASON_H_
#define FEDERITY_CLIENT_AGENT_PUBLIC_REASON_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace federity::agent {

// An error's message may name paths and what is in files; the coordinator gets
// another one. This attaches it.
absl::Status WithPublicReason(absl::Status status, std::string_view reason);

// What the coordinator may know: the attached reason, else only the kind of
// error, with the advice to look into the workstation's own log.
std::string PublicReason(const absl::Status& status);

// Attaches the public reason of a trainer's error.
absl::Status DescribeTrainerError(const absl::Status& status);

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_PUBLIC_REASON_H_
