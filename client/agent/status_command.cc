#include <unistd.h>

#include "client/agent/approval.h"
#include "client/agent/commands.h"
#include "client/agent/names.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/base/version.h"

namespace federity::agent {
namespace {

using nlohmann::json;
using state::JsonReader;

std::string_view StandingName(v1::ApprovalState standing) {
  switch (standing) {
    case v1::APPROVAL_STATE_CURRENT:
      return "current";
    case v1::APPROVAL_STATE_OUTDATED:
      return "outdated";
    default:
      return "none";
  }
}

// Unchanged, changed or unreadable, without reading contents.
std::string_view StandingOfData(const state::Dataset& dataset) {
  if (dataset.changed) return "changed";
  const absl::StatusOr<std::string> stamp = datasets::TakeStamp(dataset.source);
  if (!stamp.ok()) return "unreadable";
  return *stamp == dataset.fingerprint.stamp ? "unchanged" : "touched";
}

json DescribeMembership(CommandContext& commands, const identity::Identity& identity,
                        const json& live) {
  Context& context = commands.context;
  const state::Membership membership = context.state.Get(identity.id);
  json sets = json::array();
  for (const state::Dataset& dataset : membership.datasets)
    sets.push_back({{"label", dataset.label},
                    {"kind", datasets::KindOf(dataset.source)},
                    {"rows", dataset.rows},
                    {"path", dataset.source.path},
                    {"state", StandingOfData(dataset)}});
  json value = {{"id", identity.id},
                {"repository", ShortName(identity.scope)},
                {"coordinator", identity.address},
                {"addresses", identity.addresses},
                {"organization", identity.organization_display_name},
                {"certificate_expires", state::TimeText(identity.expire_time)},
                {"connection", commands.live == nullptr ? "not running" : "connecting"},
                {"connected", false},
                {"last_error", ""},
                {"paused", membership.paused},
                {"approval", StandingName(StandingOf(membership))},
                {"not_ready", WhyNotReady(membership, context.state.paused(), context.clock.Now(),
                                          context.zone)},
                {"standardisation", membership.standardisation_digest},
                {"datasets", std::move(sets)}};
  if (const auto digest = ApprovalDigest(membership.plan_digest, membership.program_digest);
      digest.ok())
    value["approval_digest"] = *digest;
  if (membership.approval) {
    value["limits"] = ToJson(membership.approval->limits);
    value["rounds_used"] = membership.approval->rounds_used;
    value["approved"] = state::TimeText(membership.approval->time);
  }
  if (const auto at = live.find(identity.id); at != live.end()) value.update(*at);
  return value;
}

}  // namespace

absl::StatusOr<json> Status(CommandContext& commands, JsonReader&) {
  Context& context = commands.context;
  FEDERITY_ASSIGN_OR_RETURN(const auto identities, context.identities.List());
  const json live = commands.live != nullptr ? commands.live->Live() : json::object();
  json value = {{"running", commands.live != nullptr},
                {"version", kVersion},
                {"state_dir", context.paths.directory.string()},
                {"paused", context.state.paused()},
                {"memberships", json::array()},
                {"outbox", json::array()},
                {"work", live.value("work", json())},
                {"queued", live.value("queued", 0)}};
  if (commands.live != nullptr) value["pid"] = getpid();
  for (const identity::Identity& identity : identities)
    value["memberships"].push_back(
        DescribeMembership(commands, identity, live.value("memberships", json::object())));
  for (const state::OutboxEntry& entry : context.outbox.List()) {
    std::error_code error;
    const auto bytes =
        std::filesystem::file_size(context.outbox.DeltaPath(entry.contribution), error);
    value["outbox"].push_back({{"repository", ShortName(entry.repository)},
                               {"contribution", entry.contribution},
                               {"round", RoundOf(entry.contribution)},
                               {"step", StepName(entry.step)},
                               {"bytes", error ? 0 : static_cast<int64_t>(bytes)},
                               {"trained", state::TimeText(entry.time)}});
  }
  return value;
}

}  // namespace federity::agent
