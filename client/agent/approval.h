#ifndef FEDERITY_CLIENT_AGENT_APPROVAL_H_
#define FEDERITY_CLIENT_AGENT_APPROVAL_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/state/records.h"
#include "common/plan/plan.h"
#include "federity/v1/membership.pb.h"

namespace federity::agent {

// What an operator types off a terminal: "sha256:…" of SHA-256 over
// "federity/approval/v1" ‖ plan digest ‖ program digest (32 raw bytes each).
// INVALID_ARGUMENT if one of the two is no digest.
absl::StatusOr<std::string> ApprovalDigest(std::string_view plan_digest,
                                           std::string_view program_digest);

// How the approval stands to what the coordinator said last.
v1::ApprovalState StandingOf(const state::Membership& membership);

// Why this machine takes no work for the membership now, in words for the
// coordinator's `round watch` (no paths, no values); empty: it does.
std::string WhyNotReady(const state::Membership& membership, bool agent_paused, absl::Time now,
                        absl::TimeZone zone);

// The plan of an assignment, if it is the approved one: its digest is taken
// from its text, whatever the coordinator says. FAILED_PRECONDITION
// (APPROVAL_OUTDATED) otherwise.
absl::StatusOr<Plan> CheckPlanApproved(const state::Membership& membership,
                                       std::string_view plan_toml);
// The same for a program's digest.
absl::Status CheckProgramApproved(const state::Membership& membership,
                                  std::string_view program_digest);

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_APPROVAL_H_
