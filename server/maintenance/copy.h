#ifndef FEDERITY_SERVER_MAINTENANCE_COPY_H_
#define FEDERITY_SERVER_MAINTENANCE_COPY_H_

#include <cstdint>
#include <filesystem>

#include "absl/status/statusor.h"
#include "common/crypto/digest.h"

namespace federity::maintenance {

// What a file holds.
struct FileContent {
  crypto::Digest digest;  // SHA-256
  int64_t bytes = 0;
};

// Copies a file to a new one (0600) that is on the disk when this returns; the
// folder's own entry is for the caller to sync. ALREADY_EXISTS, NOT_FOUND,
// STORAGE_FULL. In constant memory.
absl::StatusOr<FileContent> CopyFile(const std::filesystem::path& from,
                                     const std::filesystem::path& to);

absl::StatusOr<FileContent> ReadContent(const std::filesystem::path& file);

}  // namespace federity::maintenance

#endif  // FEDERITY_SERVER_MAINTENANCE_COPY_H_
