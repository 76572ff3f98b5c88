#ifndef FEDERITY_SERVER_REPOSITORIES_GARBAGE_H_
#define FEDERITY_SERVER_REPOSITORIES_GARBAGE_H_

#include <cstdint>

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
// transaction commits: a backup copies what the database names. Renewed or ended
// by another call; InfinitePast ends it.
absl::Status HoldCollection(store::Transaction& transaction, absl::Time until);

}  // namespace federity::repositories

#endif  // FEDERITY_SERVER_REPOSITORIES_GARBAGE_H_
