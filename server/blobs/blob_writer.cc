#include "server/blobs/blob_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::blobs {
namespace {

// How much may wait in the page cache before it is made durable.
constexpr int64_t kSyncBytes = 16 << 20;

absl::Status Sync(int fd, const std::filesystem::path& path) {
  if (fdatasync(fd) != 0) return ErrnoStatus(errno, path.string());
  return absl::OkStatus();
}

absl::Status Truncate(int fd, int64_t bytes, const std::filesystem::path& path) {
  if (ftruncate(fd, bytes) != 0) return ErrnoStatus(errno, path.string());
  return absl::OkStatus();
}

}  // namespace

FileBlobWriter::FileBlobWriter(FileDescriptor file, std::filesystem::path partial,
                               std::filesystem::path sealed_directory)
    : file_(std::move(file)),
      partial_(std::move(partial)),
      sealed_directory_(std::move(sealed_directory)),
      prefix_(crypto::RandomBytes(8)) {}

absl::StatusOr<std::unique_ptr<BlobWriter>> FileBlobWriter::Open(
    std::filesystem::path partial, std::filesystem::path sealed_directory,
    const crypto::Secret& key) {
  FEDERITY_ASSIGN_OR_RETURN(FileDescriptor file, OpenFile(partial, O_RDWR | O_CREAT));
  struct stat opened {
  }, named{};
  if (fstat(file.get(), &opened) != 0) return ErrnoStatus(errno, partial.string());
  // The second check: another writer may have sealed the file, and let go of it,
  // since it was opened here.
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0 || stat(partial.c_str(), &named) != 0 ||
      opened.st_ino != named.st_ino || fstat(file.get(), &opened) != 0) {
    return absl::UnavailableError("the upload is being written by another stream; try again");
  }
  std::unique_ptr<FileBlobWriter> writer(
      new FileBlobWriter(std::move(file), std::move(partial), std::move(sealed_directory)));
  FEDERITY_RETURN_IF_ERROR(writer->Resume(key, opened.st_size));
  return writer;
}

absl::Status FileBlobWriter::Start(const crypto::Secret& key) {
  blob_id_ = crypto::RandomBytes(kBlobIdBytes);
  FEDERITY_ASSIGN_OR_RETURN(crypto::Aead cipher, FileCipher(key, blob_id_));
  cipher_ = std::make_unique<crypto::Aead>(std::move(cipher));
  FEDERITY_RETURN_IF_ERROR(Truncate(file_.get(), 0, partial_));
  FEDERITY_RETURN_IF_ERROR(WriteFully(file_.get(), StrCat(kMagic, blob_id_), 0));
  return SyncDirectory(partial_.parent_path());
}

// Takes over the whole frames that are there, up to the first that fails: after
// a power cut a file may be long and yet hold zeros.
absl::Status FileBlobWriter::Resume(const crypto::Secret& key, int64_t file_bytes) {
  frame_.resize(kStoredFrameBytes);
  char header[kHeaderBytes];
  if (file_bytes < kHeaderBytes) return Start(key);
  FEDERITY_RETURN_IF_ERROR(ReadFully(file_.get(), header, sizeof header, 0));
  if (std::string_view(header, kMagic.size()) != kMagic) return Start(key);
  blob_id_.assign(header + kMagic.size(), kBlobIdBytes);
  FEDERITY_ASSIGN_OR_RETURN(crypto::Aead cipher, FileCipher(key, blob_id_));
  cipher_ = std::make_unique<crypto::Aead>(std::move(cipher));

  const int64_t whole =
      std::min<int64_t>((file_bytes - kHeaderBytes) / kStoredFrameBytes, kMaxFrames);
  const std::string_view nonce(frame_.data(), kNonceBytes);
  for (; frames_ < whole; ++frames_) {
    FEDERITY_RETURN_IF_ERROR(
        ReadFully(file_.get(), frame_.data(), kStoredFrameBytes, FrameOffset(frames_)));
    const auto number = static_cast<uint32_t>(frames_);
    const std::string_view sealed(buffer(), kStoredFrameBytes - kNonceBytes);
    if (NumberOfNonce(nonce) != number ||
        !cipher_->Open(nonce, View(MakeFrameAad(blob_id_, number, false)), sealed, buffer()).ok()) {
      break;
    }
    hasher_.Update({buffer(), kFrameBytes});
  }
  if (frames_ == 0) {
    hasher_ = crypto::Sha256Hasher();
    return Start(key);
  }
  FEDERITY_RETURN_IF_ERROR(Truncate(file_.get(), FrameOffset(frames_), partial_));
  return Flush();
}

absl::Status FileBlobWriter::Write(std::string_view data) {
  if (sealed_) return absl::FailedPreconditionError("the blob is sealed");
  FEDERITY_RETURN_IF_ERROR(failure_);
  while (!data.empty()) {
    if (buffered_ == 0 && data.size() >= static_cast<size_t>(kFrameBytes)) {
      FEDERITY_RETURN_IF_ERROR(EmitFrame(data.substr(0, kFrameBytes), false));
      data.remove_prefix(kFrameBytes);
      continue;
    }
    const size_t part = std::min<size_t>(data.size(), kFrameBytes - buffered_);
    std::memcpy(buffer() + buffered_, data.data(), part);
    buffered_ += static_cast<int64_t>(part);
    data.remove_prefix(part);
    if (buffered_ == kFrameBytes) {
      FEDERITY_RETURN_IF_ERROR(EmitFrame({buffer(), kFrameBytes}, false));
      buffered_ = 0;
    }
  }
  return absl::OkStatus();
}

absl::Status FileBlobWriter::EmitFrame(std::string_view plaintext, bool last) {
  if (frames_ >= kMaxFrames) return absl::ResourceExhaustedError("the blob has too many frames");
  const auto number = static_cast<uint32_t>(frames_);
  const Nonce nonce = MakeNonce(prefix_, number);
  hasher_.Update(plaintext);
  std::memcpy(frame_.data(), nonce.data(), nonce.size());
  const size_t stored = plaintext.size() + kOverheadBytes;
  absl::Status status =
      cipher_->Seal(View(nonce), View(MakeFrameAad(blob_id_, number, last)), plaintext, buffer());
  if (status.ok()) {
    status = WriteFully(file_.get(), {frame_.data(), stored}, FrameOffset(frames_));
  }
  if (!status.ok()) {
    // The frame's plaintext is gone and the hash is ahead: this writer is of no
    // more use. The whole frames stay for the next one.
    failure_ = status;
    buffered_ = 0;
    (void)Truncate(file_.get(), FrameOffset(frames_), partial_);
    return status;
  }
  if (last) {
    tail_ = static_cast<int64_t>(plaintext.size());
    return absl::OkStatus();
  }
  ++frames_;
  if (frames_ * kFrameBytes - committed_ >= kSyncBytes) return Flush();
  return absl::OkStatus();
}

absl::Status FileBlobWriter::Flush() {
  FEDERITY_RETURN_IF_ERROR(failure_);
  if (sealed_ || committed_ == frames_ * kFrameBytes) return absl::OkStatus();
  FEDERITY_RETURN_IF_ERROR(Sync(file_.get(), partial_));
  committed_ = frames_ * kFrameBytes;
  return absl::OkStatus();
}

absl::Status FileBlobWriter::WriteTrailer(const crypto::Digest& digest) {
  const auto number = static_cast<uint32_t>(frames_ + 1);
  const Nonce nonce = MakeNonce(prefix_, number);
  const int64_t size = frames_ * kFrameBytes + tail_;
  char trailer[kTrailerBytes];
  std::memcpy(trailer, nonce.data(), nonce.size());
  FEDERITY_RETURN_IF_ERROR(cipher_->Seal(
      View(nonce), MakeTrailerAad(blob_id_, number, size, digest), {}, trailer + kNonceBytes));
  return WriteFully(file_.get(), {trailer, sizeof trailer},
                    FrameOffset(frames_) + tail_ + kOverheadBytes);
}

absl::StatusOr<crypto::Digest> FileBlobWriter::Seal(const crypto::Digest* expected) {
  if (sealed_) return absl::FailedPreconditionError("the blob is sealed");
  FEDERITY_RETURN_IF_ERROR(failure_);
  // Whatever fails from here on, the last frame is in the file: only a new
  // writer, which cuts it off, can go on.
  failure_ = absl::FailedPreconditionError("sealing the blob failed");
  FEDERITY_RETURN_IF_ERROR(EmitFrame({buffer(), static_cast<size_t>(buffered_)}, true));
  buffered_ = 0;
  const crypto::Digest digest = hasher_.Finish();
  if (expected != nullptr && digest != *expected) {
    unlink(partial_.c_str());
    return Error(v1::ERROR_REASON_DIGEST_MISMATCH,
                 StrCat("the bytes have the digest ", digest.ToString(), ", declared was ",
                        expected->ToString(), "; the upload starts again at 0"),
                 {{"actual", digest.ToString()}, {"expected", expected->ToString()}});
  }
  FEDERITY_RETURN_IF_ERROR(WriteTrailer(digest));
  FEDERITY_RETURN_IF_ERROR(Sync(file_.get(), partial_));
  // Over an older blob of the same content too: that makes the address young
  // again, and the collector leaves it alone.
  const std::filesystem::path target = sealed_directory_ / digest.Hex();
  if (rename(partial_.c_str(), target.c_str()) != 0) return ErrnoStatus(errno, target.string());
  FEDERITY_RETURN_IF_ERROR(SyncDirectory(sealed_directory_));
  sealed_ = true;
  failure_ = absl::OkStatus();
  committed_ = written_bytes();
  return digest;
}

}  // namespace federity::blobs
