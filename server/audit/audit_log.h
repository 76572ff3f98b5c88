#ifndef FEDERITY_SERVER_AUDIT_AUDIT_LOG_H_
#define FEDERITY_SERVER_AUDIT_AUDIT_LOG_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/database.h"

namespace federity::audit {

// The audit trail: a row for every mutation, every read of model details and
// every transition that the coordinator makes itself. Rows are only added. They
// stand in the transaction of what they tell about, so that neither is there
// without the other. Free functions; as thread-safe as their transaction.

// The actor of what nobody called for: transitions of rounds, first start.
inline constexpr std::string_view kCoordinator = "coordinator";
// The actor of what came without a certificate and was refused.
inline constexpr std::string_view kOutsider = "outsider";

struct Event {
  int64_t id = 0;  // set when read
  absl::Time time;
  std::string actor;               // a member's resource name, or one of the above
  std::string scope_organization;  // empty: the server
  std::string scope_repository;    // UUID; empty: the organisation's namespace
  std::string action;              // "StartRound", "MoveRound"
  std::string resource;            // resource name
  std::string outcome = "ok";      // or the ErrorReason of the refusal
  // Never personal data, never weights.
  std::map<std::string, std::string> details;
};

absl::Status Append(store::Transaction& transaction, const Event& event);

// Whose events. A repository's where that is set; else an organisation's, those of
// all its repositories included, so that deletion hides none; else those of the
// server and of all namespaces, none of any repository.
struct Trail {
  std::string organization;
  std::string repository;  // UUID
};

// Newest first, at most `limit`, those before the event `before` if it is given.
absl::StatusOr<std::vector<Event>> List(store::Transaction& transaction, const Trail& trail,
                                        std::optional<int64_t> before, int limit);

}  // namespace federity::audit

#endif  // FEDERITY_SERVER_AUDIT_AUDIT_LOG_H_
