#ifndef FEDERITY_SERVER_MAINTENANCE_RESTORE_H_
#define FEDERITY_SERVER_MAINTENANCE_RESTORE_H_

#include <filesystem>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/crypto/secret.h"
#include "server/maintenance/backup.h"
#include "server/maintenance/manifest.h"

namespace federity::maintenance {

// The way back, a step at a time, for the database comes up in between. Each step
// works on what is empty; what a step that failed has left is for the caller to
// delete.

// Reads the manifest and checks database and key. INVALID_ARGUMENT for what is no
// backup, DATA_LOSS for a damaged dump, FAILED_PRECONDITION for another key file or
// a backup of a newer program.
absl::StatusOr<Manifest> OpenBackup(const std::filesystem::path& from,
                                    const crypto::Secret& key_file);

// DATA_LOSS naming a blob that is not what the manifest says.
absl::Status RestoreBlobs(const Manifest& manifest, const std::filesystem::path& from,
                          blobs::BlobStore& blobs, const Progress& progress);

// Loads the dump, migrates it to this program's schema, and ends what can't go on:
// rounds and statistics that ran fail with COORDINATOR_RESTORED, repositories that
// were deleted during the backup are deleted again. ALREADY_EXISTS if the database
// holds a coordinator.
absl::Status RestoreDatabase(const Manifest& manifest, const std::filesystem::path& from,
                             store::Database& database, const std::string& database_url,
                             absl::Time now);

}  // namespace federity::maintenance

#endif  // FEDERITY_SERVER_MAINTENANCE_RESTORE_H_
