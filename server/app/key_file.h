#ifndef FEDERITY_SERVER_APP_KEY_FILE_H_
#define FEDERITY_SERVER_APP_KEY_FILE_H_

#include <filesystem>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/crypto/secret.h"
#include "server/store/database.h"

namespace federity::app {

// The key file wraps every other secret of the coordinator: 32 random bytes,
// mode 0600, kept beside the data directory and not in it, so that a copy of
// the one without the other is worth little.

// Reads it; made if it is missing and `may_create`, which must be false once the
// database holds secrets. FAILED_PRECONDITION with the remedy: missing, of the
// wrong size, or readable by others.
absl::StatusOr<crypto::Secret> LoadKeyFile(const std::filesystem::path& path, bool may_create);

// The change of the key file: KEY.new is written, the database is sealed by it in
// one transaction, then KEY becomes KEY.old-TIME and KEY.new becomes KEY. A crash
// leaves two files of which the database tells which is right.
absl::Status WriteNewKeyFile(const std::filesystem::path& path, const crypto::Secret& key);

// Where KEY.new opens this database: puts it into its place, and says where the old
// one is kept. Where KEY does: deletes a KEY.new that a crash left. Where neither
// does: nothing. REQUIRES: the database holds secrets.
absl::StatusOr<std::optional<std::filesystem::path>> FinishKeyRotation(
    const std::filesystem::path& path, store::Database& database, const Clock& clock);

}  // namespace federity::app

#endif  // FEDERITY_SERVER_APP_KEY_FILE_H_
