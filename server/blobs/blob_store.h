#ifndef FEDERITY_SERVER_BLOBS_BLOB_STORE_H_
#define FEDERITY_SERVER_BLOBS_BLOB_STORE_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/digest.h"
#include "common/crypto/secret.h"

namespace federity::blobs {

// Encrypted files (docs/formats/blob.md): frames of 1 MiB of plaintext under
// AES-256-GCM with a key of each file's own; nonce = random 8-byte prefix of the
// writing session ‖ frame number (4 bytes), AAD = blob id ‖ frame number ‖ last
// flag. Within a repository a sealed blob's address is the SHA-256 of its
// plaintext; equal content is stored once.
inline constexpr int64_t kFrameBytes = 1 << 20;

// Younger files are never collected: a merge or push may be about to name them.
inline constexpr absl::Duration kMinCollectAge = absl::Hours(1);

// Writes one blob, front to back. Bytes are durable in whole frames; a partial
// blob that was left is continued at committed_bytes(). Not thread-safe.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  // Plaintext bytes that survive a crash (whole frames, or all after Seal).
  virtual int64_t committed_bytes() const = 0;
  // Bytes accepted so far, buffered ones included.
  virtual int64_t written_bytes() const = 0;
  // RESOURCE_EXHAUSTED (STORAGE_FULL) when the disk is full; what is committed stays.
  virtual absl::Status Write(std::string_view data) = 0;
  // Makes the whole frames written so far durable.
  virtual absl::Status Flush() = 0;
  // Drops what was written after the last whole frame, so that writing goes on
  // at committed_bytes(). REQUIRES: Flush succeeded since the last Write.
  virtual void DiscardBuffered() = 0;
  // Ends the blob: last frame, fsync, rename to its address. With `expected`,
  // DIGEST_MISMATCH (the partial blob is deleted) if the content differs.
  virtual absl::StatusOr<crypto::Digest> Seal(const crypto::Digest* expected) = 0;
};

// Reads a sealed blob at any offset; every frame is authenticated. Thread-
// compatible: one reader a thread.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  virtual int64_t size_bytes() const = 0;
  // Fills `out` from `offset`; REQUIRES: offset + out.size() <= size_bytes().
  // DATA_LOSS (BLOB_CORRUPT) naming the address if a frame fails.
  virtual absl::Status Read(int64_t offset, std::span<char> out) = 0;
};

// A directory of blobs, shared by all replicas. Thread-safe.
class BlobStore {
 public:
  // Makes the directory (0700). `repository` below is a repository's row id, a
  // UUID; `key` its blob key, 32 bytes.
  static absl::StatusOr<std::unique_ptr<BlobStore>> Open(std::filesystem::path directory);
  virtual ~BlobStore() = default;

  // Starts or continues the partial blob `upload` (a UUID). Continuing reads
  // what is there, to authenticate and hash it. UNAVAILABLE while another writer
  // of it is open, in any process.
  virtual absl::StatusOr<std::unique_ptr<BlobWriter>> OpenWriter(std::string_view repository,
                                                                 std::string_view upload,
                                                                 const crypto::Secret& key) = 0;
  // NOT_FOUND if there is no such sealed blob.
  virtual absl::StatusOr<std::unique_ptr<BlobReader>> OpenReader(std::string_view repository,
                                                                 const crypto::Digest& address,
                                                                 const crypto::Secret& key) = 0;
  // Where the encrypted file of a sealed blob lies, whether it is there or not: for
  // backups, which copy it as it is. INVALID_ARGUMENT for what is no UUID.
  virtual absl::StatusOr<std::filesystem::path> SealedFile(std::string_view repository,
                                                           const crypto::Digest& address) const = 0;
  virtual bool Exists(std::string_view repository, const crypto::Digest& address) const = 0;
  // Plaintext bytes in the whole frames of a partial blob, by its file's size
  // alone; 0 if there is none.
  virtual int64_t PartialBytes(std::string_view repository, std::string_view upload) const = 0;
  // Deleting what is not there is OK. With `min_age`, a blob sealed (again) since
  // then stays.
  virtual absl::Status DeletePartial(std::string_view repository, std::string_view upload) = 0;
  virtual absl::Status DeleteBlob(std::string_view repository, const crypto::Digest& address,
                                  absl::Duration min_age = absl::ZeroDuration()) = 0;
  virtual absl::Status DeleteRepository(std::string_view repository) = 0;
  // For the collector: sealed blobs, and partial ones, that nobody wrote for
  // kMinCollectAge.
  virtual absl::StatusOr<std::vector<crypto::Digest>> ListSealed(std::string_view repository) = 0;
  virtual absl::StatusOr<std::vector<std::string>> ListPartial(std::string_view repository) = 0;
};

}  // namespace federity::blobs

#endif  // FEDERITY_SERVER_BLOBS_BLOB_STORE_H_
