#ifndef FEDERITY_SERVER_REPOSITORIES_GARBAGE_H_
#define FEDERITY_SERVER_REPOSITORIES_GARBAGE_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/blobs/blob_store.h"
#include "server/store/database.h"

namespace federity::repositories {

struct GarbageReport {
  int64_t uploads = 0;  // expired
  int64_t blobs = 0;    // sealed files that nothing refers to
  int64_t partials = 0;
};

// Deletes expired uploads, partial files of none, sealed blobs that no commit,
// no contribution to an unfinished round and no living upload names, and what a
// deleted repository left. Nothing younger than blobs::kMinCollectAge goes.
// Several replicas may run it at once. Called now and then by server/app.
absl::StatusOr<GarbageReport> CollectGarbage(store::Database& database, blobs::BlobStore& blobs,
                                             absl::Time now);

// Nothing is collected before `until`, on any replica, from the moment that the
// transaction commits: a backup copies what the database names. Each backup has a
// hold of its own, a UUID; another call with it renews the hold.
absl::Status HoldCollection(store::Transaction& transaction, std::string_view hold,
                            absl::Time until);
absl::Status EndHold(store::Transaction& transaction, std::string_view hold);
// Those that a restored database remembers.
absl::Status EndAllHolds(store::Transaction& transaction);

}  // namespace federity::repositories

#endif  // FEDERITY_SERVER_REPOSITORIES_GARBAGE_H_
