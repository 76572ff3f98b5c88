#ifndef FEDERITY_SERVER_APP_KEY_FILE_H_
#define FEDERITY_SERVER_APP_KEY_FILE_H_

#include <filesystem>

#include "absl/status/statusor.h"
#include "common/crypto/secret.h"

namespace federity::app {

// The key file wraps every other secret of the coordinator: 32 random bytes,
// mode 0600, kept beside the data directory and not in it, so that a copy of
// the one without the other is worth little.

// Reads it; made if it is missing and `may_create`, which must be false once the
// database holds secrets. FAILED_PRECONDITION with the remedy: missing, of the
// wrong size, or readable by others.
absl::StatusOr<crypto::Secret> LoadKeyFile(const std::filesystem::path& path, bool may_create);

}  // namespace federity::app

#endif  // FEDERITY_SERVER_APP_KEY_FILE_H_
