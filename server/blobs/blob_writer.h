#ifndef FEDERITY_SERVER_BLOBS_BLOB_WRITER_H_
#define FEDERITY_SERVER_BLOBS_BLOB_WRITER_H_

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/files.h"
#include "common/crypto/aead.h"
#include "common/crypto/digest.h"
#include "server/blobs/blob_format.h"
#include "server/blobs/blob_store.h"

namespace federity::blobs {

// BlobWriter over one file. Holds one frame in memory. Every opening writes
// under a new nonce prefix: a frame that was torn by a crash and is written
// again, perhaps with other bytes, never meets the nonce that it had before.
// Not thread-safe.
class FileBlobWriter final : public BlobWriter {
 public:
  // `partial` is the file to write, `sealed_directory` where it goes at the end;
  // both folders exist.
  static absl::StatusOr<std::unique_ptr<BlobWriter>> Open(std::filesystem::path partial,
                                                          std::filesystem::path sealed_directory,
                                                          const crypto::Secret& key);

  int64_t committed_bytes() const override { return committed_; }
  int64_t written_bytes() const override { return frames_ * kFrameBytes + buffered_ + tail_; }
  absl::Status Write(std::string_view data) override;
  absl::Status Flush() override;
  void DiscardBuffered() override { buffered_ = 0; }
  absl::StatusOr<crypto::Digest> Seal(const crypto::Digest* expected) override;

 private:
  FileBlobWriter(FileDescriptor file, std::filesystem::path partial,
                 std::filesystem::path sealed_directory);
  absl::Status Start(const crypto::Secret& key);
  absl::Status Resume(const crypto::Secret& key, int64_t file_bytes);
  // Hashes, encrypts and writes one frame; `plaintext` may be buffer().
  absl::Status EmitFrame(std::string_view plaintext, bool last);
  absl::Status WriteTrailer(const crypto::Digest& digest);
  char* buffer() { return frame_.data() + kNonceBytes; }

  FileDescriptor file_;
  const std::filesystem::path partial_;
  const std::filesystem::path sealed_directory_;
  std::string blob_id_;
  std::string prefix_;  // this session's 8 bytes
  std::unique_ptr<crypto::Aead> cipher_;
  crypto::Sha256Hasher hasher_;
  std::string frame_;      // nonce, plaintext that becomes ciphertext, tag
  int64_t buffered_ = 0;   // plaintext bytes in it
  int64_t frames_ = 0;     // whole frames in the file
  int64_t committed_ = 0;  // plaintext bytes that are durable
  int64_t tail_ = 0;       // plaintext bytes of the last frame, once it is written
  bool sealed_ = false;
  absl::Status failure_;  // after a failed write nothing more is accepted
};

}  // namespace federity::blobs

#endif  // FEDERITY_SERVER_BLOBS_BLOB_WRITER_H_
