#include "client/agent/approval.h"

#include "client/agent/public_reason.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/digest.h"

namespace federity::agent {
namespace {

absl::Status NotApproved(const state::Membership& membership, std::string_view what,
                         std::string_view digest) {
  const std::string text =
      membership.approval ? StrCat("the ", what, " ", digest, " is not the approved one")
                          : StrCat("the ", what, " ", digest, " is not approved on this machine");
  return WithPublicReason(Error(v1::ERROR_REASON_APPROVAL_OUTDATED, text), text);
}

}  // namespace

absl::StatusOr<std::string> ApprovalDigest(std::string_view plan_digest,
                                           std::string_view program_digest) {
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest plan, crypto::ParseDigest(plan_digest));
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest program, crypto::ParseDigest(program_digest));
  return crypto::Sha256(StrCat("federity/approval/v1", plan.view(), program.view())).ToString();
}

v1::ApprovalState StandingOf(const state::Membership& membership) {
  if (!membership.approval) return v1::APPROVAL_STATE_NONE;
  return membership.approval->plan_digest == membership.plan_digest &&
                 membership.approval->program_digest == membership.program_digest
             ? v1::APPROVAL_STATE_CURRENT
             : v1::APPROVAL_STATE_OUTDATED;
}

std::string WhyNotReady(const state::Membership& membership, bool agent_paused, absl::Time now,
                        absl::TimeZone zone) {
  if (agent_paused || membership.paused) return "paused";
  if (membership.datasets.empty()) return "no data set";
  for (const state::Dataset& dataset : membership.datasets)
    if (dataset.changed) return "data set changed; run `federity-agent dataset refresh`";
  if (!membership.approval) return "waiting for approval";
  const state::Limits& limits = membership.approval->limits;
  if (now >= limits.expires) return "approval expired";
  if (limits.rounds > 0 && membership.approval->rounds_used >= limits.rounds)
    return StrCat("all ", limits.rounds, " approved rounds are used");
  if (limits.hours && !limits.hours->Contains(now, zone))
    return StrCat("outside ", state::FormatHours(*limits.hours));
  return "";
}

absl::StatusOr<Plan> CheckPlanApproved(const state::Membership& membership,
                                       std::string_view plan_toml) {
  FEDERITY_ASSIGN_OR_RETURN(Plan plan, ParsePlan(plan_toml));
  const std::string digest = PlanDigest(plan).ToString();
  if (!membership.approval || membership.approval->plan_digest != digest)
    return NotApproved(membership, "plan", digest);
  return plan;
}

absl::Status CheckProgramApproved(const state::Membership& membership,
                                  std::string_view program_digest) {
  if (!membership.approval || membership.approval->program_digest != program_digest)
    return NotApproved(membership, "program", program_digest);
  return absl::OkStatus();
}

}  // namespace federity::agent
