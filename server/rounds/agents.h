#ifndef FEDERITY_SERVER_ROUNDS_AGENTS_H_
#define FEDERITY_SERVER_ROUNDS_AGENTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "federity/v1/contributions.pb.h"
#include "server/store/database.h"

namespace federity::rounds {

// What agents say of themselves when their stream opens, and whether it is open.
// A member has one session at a time; the row says which, so that a newer stream
// on any replica ends the older. All functions work within the caller's
// transaction.

struct Session {
  std::string member;  // UUID
  std::string id;      // UUID, new for each stream
};

// INVALID_ARGUMENT for a greeting beyond its limits.
absl::Status CheckGreeting(const v1::WatchAssignmentsRequest& request);

// The member is there until `online_until`; a round that recruits looks again. Audited
// where the approval is another than before.
// REQUIRES: CheckGreeting passed.
absl::Status OpenSession(store::Transaction& transaction, std::string_view repository,
                         const Session& session, const v1::WatchAssignmentsRequest& request,
                         absl::Time now, absl::Time online_until);
// The stream ended; nothing happens if a newer one is open.
absl::Status CloseSession(store::Transaction& transaction, std::string_view repository,
                          const Session& session, absl::Time now);
// They are still there. Returns the members whose session is still this one, and
// notes once a minute that they were seen.
absl::StatusOr<std::vector<std::string>> KeepSessions(store::Transaction& transaction,
                                                      const std::vector<Session>& sessions,
                                                      absl::Time now, absl::Time online_until);

// '{a,b}' for $n::uuid[]; REQUIRES: they are UUIDs.
std::string UuidArray(const std::vector<std::string>& ids);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_AGENTS_H_
