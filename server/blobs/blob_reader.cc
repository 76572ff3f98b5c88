#include "server/blobs/blob_reader.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::blobs {
namespace {

absl::Status CorruptBlob(const crypto::Digest& address, std::string_view where) {
  return Error(v1::ERROR_REASON_BLOB_CORRUPT,
               StrCat("stored blob ", address.ToString(), " is damaged (", where,
                      "); restore it from a backup"),
               {{"digest", address.ToString()}});
}

}  // namespace

FileBlobReader::FileBlobReader(FileDescriptor file, const crypto::Digest& address,
                               std::string blob_id, crypto::Aead cipher, int64_t size)
    : file_(std::move(file)),
      address_(address),
      blob_id_(std::move(blob_id)),
      cipher_(std::move(cipher)),
      size_(size) {}

absl::Status FileBlobReader::Corrupt(std::string_view where) const {
  return CorruptBlob(address_, where);
}

absl::StatusOr<std::unique_ptr<BlobReader>> FileBlobReader::Open(const std::filesystem::path& path,
                                                                 const crypto::Digest& address,
                                                                 const crypto::Secret& key) {
  absl::StatusOr<FileDescriptor> file = OpenFile(path, O_RDONLY);
  if (absl::IsNotFound(file.status())) return NotFound(StrCat("blob ", address.ToString()));
  FEDERITY_RETURN_IF_ERROR(file.status());
  struct stat info {};
  if (fstat(file->get(), &info) != 0) return ErrnoStatus(errno, path.string());
  const std::optional<int64_t> size = SizeOfSealed(info.st_size);
  if (!size.has_value()) return CorruptBlob(address, "length");
  char header[kHeaderBytes];
  FEDERITY_RETURN_IF_ERROR(ReadFully(file->get(), header, sizeof header, 0));
  if (std::string_view(header, kMagic.size()) != kMagic) return CorruptBlob(address, "header");
  std::string blob_id(header + kMagic.size(), kBlobIdBytes);
  FEDERITY_ASSIGN_OR_RETURN(crypto::Aead cipher, FileCipher(key, blob_id));
  std::unique_ptr<FileBlobReader> reader(
      new FileBlobReader(*std::move(file), address, std::move(blob_id), std::move(cipher), *size));
  FEDERITY_RETURN_IF_ERROR(reader->CheckTrailer());
  return reader;
}

absl::Status FileBlobReader::CheckTrailer() {
  char trailer[kTrailerBytes];
  const int64_t frames = size_ / kFrameBytes;
  const int64_t offset = FrameOffset(frames) + size_ % kFrameBytes + kOverheadBytes;
  if (!ReadFully(file_.get(), trailer, sizeof trailer, offset).ok()) return Corrupt("trailer");
  const std::string_view nonce(trailer, kNonceBytes);
  const std::string_view tag(trailer + kNonceBytes, crypto::kAeadTagSize);
  const auto number = static_cast<uint32_t>(frames + 1);
  char nothing = 0;
  if (NumberOfNonce(nonce) != number ||
      !cipher_.Open(nonce, MakeTrailerAad(blob_id_, number, size_, address_), tag, &nothing).ok()) {
    return Corrupt("trailer");
  }
  return absl::OkStatus();
}

int64_t FileBlobReader::FramePlaintext(int64_t number) const {
  return std::min(kFrameBytes, size_ - number * kFrameBytes);
}

absl::Status FileBlobReader::ReadFrame(int64_t number, char* out) {
  const int64_t stored = FramePlaintext(number) + kOverheadBytes;
  stored_.resize(kStoredFrameBytes);
  const std::string where = StrCat("frame ", number);
  if (absl::Status read = ReadFully(file_.get(), stored_.data(), stored, FrameOffset(number));
      !read.ok()) {
    return absl::IsOutOfRange(read) ? Corrupt(where) : read;
  }
  const std::string_view nonce(stored_.data(), kNonceBytes);
  const std::string_view sealed(stored_.data() + kNonceBytes, stored - kNonceBytes);
  const auto frame = static_cast<uint32_t>(number);
  const FrameAad aad = MakeFrameAad(blob_id_, frame, number == size_ / kFrameBytes);
  if (NumberOfNonce(nonce) != frame || !cipher_.Open(nonce, View(aad), sealed, out).ok()) {
    return Corrupt(where);
  }
  return absl::OkStatus();
}

absl::Status FileBlobReader::Read(int64_t offset, std::span<char> out) {
  if (offset < 0 || offset > size_ || static_cast<int64_t>(out.size()) > size_ - offset) {
    return absl::OutOfRangeError("read beyond the end of a blob");
  }
  while (!out.empty()) {
    const int64_t number = offset / kFrameBytes;
    const int64_t within = offset % kFrameBytes;
    const int64_t plaintext = FramePlaintext(number);
    const auto part = std::min<size_t>(out.size(), static_cast<size_t>(plaintext - within));
    if (number != cached_number_ && static_cast<int64_t>(part) == plaintext) {
      FEDERITY_RETURN_IF_ERROR(ReadFrame(number, out.data()));
    } else {
      if (number != cached_number_) {
        cached_.resize(kFrameBytes);
        cached_number_ = -1;
        FEDERITY_RETURN_IF_ERROR(ReadFrame(number, cached_.data()));
        cached_number_ = number;
      }
      std::memcpy(out.data(), cached_.data() + within, part);
    }
    offset += static_cast<int64_t>(part);
    out = out.subspan(part);
  }
  return absl::OkStatus();
}

}  // namespace federity::blobs
