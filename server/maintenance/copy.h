#ifndef FEDERITY_SERVER_MAINTENANCE_COPY_H_
#define FEDERITY_SERVER_MAINTENANCE_COPY_H_

#include <filesystem>

#include "absl/status/statusor.h"
#include "common/crypto/file_digest.h"

namespace federity::maintenance {

// Copies a file to a new one (0600) that is on the disk when this returns; the
// folder's own entry is for the caller to sync. ALREADY_EXISTS, NOT_FOUND,
// STORAGE_FULL. In constant memory.
absl::StatusOr<crypto::FileContent> CopyFile(const std::filesystem::path& from,
                                             const std::filesystem::path& to);

}  // namespace federity::maintenance

#endif  // FEDERITY_SERVER_MAINTENANCE_COPY_H_
