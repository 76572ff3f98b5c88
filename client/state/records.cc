#include "client/state/records.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "client/state/json_reader.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::state {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 3> kSteps = {"trained", "uploaded", "submitted"};

json ToJson(const Approval& approval) {
  return {{"plan_digest", approval.plan_digest},  {"program_digest", approval.program_digest},
          {"plan_toml", approval.plan_toml},      {"time", TimeText(approval.time)},
          {"limits", ToJson(approval.limits)},    {"rounds_used", approval.rounds_used},
          {"last_counted", approval.last_counted}};
}

json ToJson(const Dataset& dataset) {
  return {{"label", dataset.label},
          {"format", dataset.source.format},
          {"path", dataset.source.path},
          {"labels_path", dataset.source.labels_path},
          {"label_column", dataset.source.label_column},
          {"schema", dataset.schema},
          {"rows", dataset.rows},
          {"digest", dataset.fingerprint.digest},
          {"stamp", dataset.fingerprint.stamp},
          {"time", TimeText(dataset.time)},
          {"changed", dataset.changed}};
}

absl::StatusOr<Limits> LimitsFromJson(const json& value) {
  JsonReader reader(value);
  Limits limits;
  limits.rounds = reader.Integer("rounds");
  limits.expires = reader.Time("expires", absl::InfiniteFuture());
  if (const std::string hours = reader.String("hours"); !hours.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(limits.hours, ParseHours(hours));
  }
  limits.cpus = static_cast<int32_t>(reader.Integer("cpus"));
  limits.memory_bytes = reader.Integer("memory_bytes");
  FEDERITY_RETURN_IF_ERROR(reader.status());
  return limits;
}

absl::StatusOr<Approval> ApprovalFromJson(const json& value) {
  JsonReader reader(value);
  Approval approval;
  approval.plan_digest = reader.String("plan_digest");
  approval.program_digest = reader.String("program_digest");
  approval.plan_toml = reader.String("plan_toml");
  approval.time = reader.Time("time");
  approval.rounds_used = reader.Integer("rounds_used");
  approval.last_counted = reader.String("last_counted");
  FEDERITY_ASSIGN_OR_RETURN(approval.limits, LimitsFromJson(reader.Object("limits")));
  FEDERITY_RETURN_IF_ERROR(reader.status());
  return approval;
}

absl::StatusOr<Dataset> DatasetFromJson(const json& value) {
  JsonReader reader(value);
  Dataset dataset;
  dataset.label = reader.String("label");
  dataset.source.format = reader.String("format");
  dataset.source.path = reader.String("path");
  dataset.source.labels_path = reader.String("labels_path");
  dataset.source.label_column = reader.String("label_column");
  dataset.schema = reader.Strings("schema");
  dataset.rows = reader.Integer("rows");
  dataset.fingerprint.digest = reader.String("digest");
  dataset.fingerprint.stamp = reader.String("stamp");
  dataset.time = reader.Time("time");
  dataset.changed = reader.Boolean("changed");
  FEDERITY_RETURN_IF_ERROR(reader.status());
  return dataset;
}

}  // namespace

std::string_view StepName(OutboxEntry::Step step) { return kSteps[static_cast<size_t>(step)]; }

json ToJson(const Limits& limits) {
  json value = {
      {"rounds", limits.rounds}, {"cpus", limits.cpus}, {"memory_bytes", limits.memory_bytes}};
  if (limits.expires != absl::InfiniteFuture()) value["expires"] = TimeText(limits.expires);
  if (limits.hours) value["hours"] = FormatHours(*limits.hours);
  return value;
}

json ToJson(const Membership& membership) {
  json value = {{"id", membership.id},
                {"repository", membership.repository},
                {"paused", membership.paused},
                {"datasets", json::array()},
                {"plan_digest", membership.plan_digest},
                {"program_digest", membership.program_digest},
                {"standardisation_digest", membership.standardisation_digest}};
  if (membership.approval) value["approval"] = ToJson(*membership.approval);
  for (const Dataset& dataset : membership.datasets) value["datasets"].push_back(ToJson(dataset));
  return value;
}

absl::StatusOr<Membership> MembershipFromJson(const json& value) {
  JsonReader reader(value);
  Membership membership;
  membership.id = reader.String("id");
  membership.repository = reader.String("repository");
  membership.paused = reader.Boolean("paused");
  membership.plan_digest = reader.String("plan_digest");
  membership.program_digest = reader.String("program_digest");
  membership.standardisation_digest = reader.String("standardisation_digest");
  if (reader.Has("approval")) {
    FEDERITY_ASSIGN_OR_RETURN(membership.approval, ApprovalFromJson(reader.Object("approval")));
  }
  for (const json& item : reader.Array("datasets")) {
    FEDERITY_ASSIGN_OR_RETURN(Dataset dataset, DatasetFromJson(item));
    membership.datasets.push_back(std::move(dataset));
  }
  if (membership.id.empty()) reader.Fail("id", "is missing");
  FEDERITY_RETURN_IF_ERROR(reader.status());
  return membership;
}

json ToJson(const OutboxEntry& entry) {
  return {{"contribution", entry.contribution},
          {"identity", entry.identity},
          {"repository", entry.repository},
          {"base_commit_digest", entry.base_commit_digest},
          {"plan_digest", entry.plan_digest},
          {"delta_digest", entry.delta_digest},
          {"examples", entry.examples},
          {"base_metrics",
           {{"examples", entry.base_metrics.examples()},
            {"loss_sum", entry.base_metrics.loss_sum()},
            {"confusion", std::vector<int64_t>(entry.base_metrics.confusion().begin(),
                                               entry.base_metrics.confusion().end())}}},
          {"train_seconds", entry.train_seconds},
          {"device", entry.device},
          {"time", TimeText(entry.time)},
          {"step", StepName(entry.step)},
          {"upload_request_id", entry.upload_request_id},
          {"submit_request_id", entry.submit_request_id},
          {"upload", entry.upload}};
}

absl::StatusOr<OutboxEntry> OutboxEntryFromJson(const json& value) {
  JsonReader reader(value);
  OutboxEntry entry;
  entry.contribution = reader.String("contribution");
  entry.identity = reader.String("identity");
  entry.repository = reader.String("repository");
  entry.base_commit_digest = reader.String("base_commit_digest");
  entry.plan_digest = reader.String("plan_digest");
  entry.delta_digest = reader.String("delta_digest");
  entry.examples = reader.Integer("examples");
  entry.train_seconds = reader.Number("train_seconds");
  entry.device = reader.String("device");
  entry.time = reader.Time("time");
  entry.upload_request_id = reader.String("upload_request_id");
  entry.submit_request_id = reader.String("submit_request_id");
  entry.upload = reader.String("upload");
  if (reader.Has("base_metrics")) {
    JsonReader metrics(reader.Object("base_metrics"));
    entry.base_metrics.set_examples(metrics.Integer("examples"));
    entry.base_metrics.set_loss_sum(metrics.Number("loss_sum"));
    for (const int64_t count : metrics.Integers("confusion"))
      entry.base_metrics.add_confusion(count);
    entry.base_metrics.set_contributors(1);
    FEDERITY_RETURN_IF_ERROR(metrics.status());
  }
  const std::string step = reader.String("step");
  const auto* at = std::find(kSteps.begin(), kSteps.end(), step);
  if (at == kSteps.end()) reader.Fail("step", "is none of trained, uploaded, submitted");
  if (entry.contribution.empty()) reader.Fail("contribution", "is missing");
  FEDERITY_RETURN_IF_ERROR(reader.status());
  entry.step = static_cast<OutboxEntry::Step>(at - kSteps.begin());
  return entry;
}

}  // namespace federity::state
