#ifndef FEDERITY_SERVER_BLOBS_BLOB_READER_H_
#define FEDERITY_SERVER_BLOBS_BLOB_READER_H_

#include <filesystem>
#include <memory>
#include <string>

#include "common/base/files.h"
#include "common/crypto/aead.h"
#include "common/crypto/digest.h"
#include "server/blobs/blob_format.h"
#include "server/blobs/blob_store.h"

namespace federity::blobs {

// BlobReader over one sealed file. Whole frames are decrypted into the caller's
// memory; one frame is kept for what is read in parts. Thread-compatible.
class FileBlobReader final : public BlobReader {
 public:
  // NOT_FOUND if the file is not there; BLOB_CORRUPT if header or trailer fail,
  // so that a file under another's address is never read.
  static absl::StatusOr<std::unique_ptr<BlobReader>> Open(const std::filesystem::path& path,
                                                          const crypto::Digest& address,
                                                          const crypto::Secret& key);

  int64_t size_bytes() const override { return size_; }
  absl::Status Read(int64_t offset, std::span<char> out) override;

 private:
  FileBlobReader(FileDescriptor file, const crypto::Digest& address, std::string blob_id,
                 crypto::Aead cipher, int64_t size);
  absl::Status CheckTrailer();
  // Decrypts frame `number` to `out`, which holds its plaintext.
  absl::Status ReadFrame(int64_t number, char* out);
  int64_t FramePlaintext(int64_t number) const;
  absl::Status Corrupt(std::string_view where) const;

  const FileDescriptor file_;
  const crypto::Digest address_;
  const std::string blob_id_;
  crypto::Aead cipher_;
  const int64_t size_;
  std::string stored_;  // a frame as it is on disk
  std::string cached_;  // plaintext of frame cached_number_
  int64_t cached_number_ = -1;
};

}  // namespace federity::blobs

#endif  // FEDERITY_SERVER_BLOBS_BLOB_READER_H_
