#ifndef FEDERITY_SERVER_MAINTENANCE_KEY_ROTATION_H_
#define FEDERITY_SERVER_MAINTENANCE_KEY_ROTATION_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/crypto/secret.h"
#include "server/store/database.h"

namespace federity::maintenance {

// Seals everything that a key file seals by a new one, in one transaction: the
// coordinator's keys, the repositories' blob keys, kept sums. Blobs are not
// rewritten. FAILED_PRECONDITION if `old_key` is not the present one, or while a
// coordinator is connected to this database: it knows the old one.
absl::Status RewrapSecrets(store::Database& database, const crypto::Secret& old_key,
                           const crypto::Secret& new_key);

// By which a backup knows its key file: says nothing about it.
std::string MakeKeyCheck(const crypto::Secret& key_file);
bool OpensKeyCheck(const crypto::Secret& key_file, std::string_view key_check);

}  // namespace federity::maintenance

#endif  // FEDERITY_SERVER_MAINTENANCE_KEY_ROTATION_H_
