#ifndef FEDERITY_COMMON_CRYPTO_FILE_DIGEST_H_
#define FEDERITY_COMMON_CRYPTO_FILE_DIGEST_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/crypto/digest.h"

namespace federity::crypto {

struct FileContent {
  Digest digest;
  int64_t bytes = 0;
  friend bool operator==(const FileContent&, const FileContent&) = default;
};

// Reads a file to its end in blocks of 1 MiB; constant memory. `use` (may be empty)
// sees each block, and its error ends the reading. Errors: errno's (common/base/files.h).
absl::StatusOr<FileContent> DigestFile(
    const std::filesystem::path& file,
    const std::function<absl::Status(std::string_view)>& use = {});
// From its first byte on; the descriptor's position stays.
absl::StatusOr<FileContent> DigestFile(
    int fd, const std::function<absl::Status(std::string_view)>& use = {});

}  // namespace federity::crypto

#endif  // FEDERITY_COMMON_CRYPTO_FILE_DIGEST_H_
