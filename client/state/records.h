#ifndef FEDERITY_CLIENT_STATE_RECORDS_H_
#define FEDERITY_CLIENT_STATE_RECORDS_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/datasets/fingerprint.h"
#include "client/datasets/source.h"
#include "client/state/hours.h"
#include "federity/v1/commits.pb.h"

namespace federity::state {

// The records that the agent keeps, as JSON in its state directory. All are
// regular value types.

// What an operator allows a repository's training on this machine.
struct Limits {
  int64_t rounds = 0;  // 0: any number
  absl::Time expires = absl::InfiniteFuture();
  std::optional<Hours> hours;  // unset: always
  int32_t cpus = 0;            // 0: the configuration's
  int64_t memory_bytes = 0;    // 0: the configuration's
  friend bool operator==(const Limits&, const Limits&) = default;
};

// What an operator approved.
struct Approval {
  std::string plan_digest;
  std::string program_digest;
  std::string plan_toml;
  absl::Time time;
  Limits limits;
  int64_t rounds_used = 0;
  // The contribution that was counted last: a restart between counting and the
  // outbox must not count it twice.
  std::string last_counted;
  friend bool operator==(const Approval&, const Approval&) = default;
};

// A registered data set. Label, kind and rows are all that ever leaves.
struct Dataset {
  std::string label;
  datasets::Source source;
  std::vector<std::string> schema;
  int64_t rows = 0;
  datasets::Fingerprint fingerprint;
  absl::Time time;
  // Set when the data set no longer was what `fingerprint` says; cleared by
  // `dataset refresh`.
  bool changed = false;
  friend bool operator==(const Dataset&, const Dataset&) = default;
};

// One membership's settings.
struct Membership {
  std::string id;          // the identity's
  std::string repository;  // resource name
  bool paused = false;
  std::optional<Approval> approval;
  std::vector<Dataset> datasets;
  // What the coordinator said last; empty: nothing yet.
  std::string plan_digest;
  std::string program_digest;
  std::string standardisation_digest;
  friend bool operator==(const Membership&, const Membership&) = default;
};

// A trained update on its way to the coordinator.
struct OutboxEntry {
  enum class Step { kTrained, kUploaded, kSubmitted };
  std::string contribution;  // resource name
  std::string identity;      // the membership's id
  std::string repository;    // resource name
  std::string base_commit_digest;
  std::string plan_digest;
  std::string delta_digest;
  int64_t examples = 0;
  v1::Metrics base_metrics;
  double train_seconds = 0;
  std::string device;
  absl::Time time;
  Step step = Step::kTrained;
  std::string upload_request_id;
  std::string submit_request_id;
  std::string upload;  // resource name, from kUploaded on
};
std::string_view StepName(OutboxEntry::Step step);

// Reading gives INVALID_ARGUMENT naming the field at fault.
nlohmann::json ToJson(const Limits& limits);
nlohmann::json ToJson(const Membership& membership);
nlohmann::json ToJson(const OutboxEntry& entry);
absl::StatusOr<Membership> MembershipFromJson(const nlohmann::json& value);
absl::StatusOr<OutboxEntry> OutboxEntryFromJson(const nlohmann::json& value);

}  // namespace federity::state

#endif  // FEDERITY_CLIENT_STATE_RECORDS_H_
