#include "server/blobs/blob_format.h"

#include <cstring>

#include "common/base/encoding.h"
#include "common/base/strings.h"

namespace federity::blobs {
namespace {

void PutBigEndian32(char* out, uint32_t value) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<char>(value >> (24 - 8 * i));
}

}  // namespace

// A key a file, because with one key for a whole repository the random 64-bit
// prefixes would collide with probability 2^-32 after some 2^16 uploads.
absl::StatusOr<crypto::Aead> FileCipher(const crypto::Secret& repository_key,
                                        std::string_view blob_id) {
  if (repository_key.size() != crypto::kAeadKeySize) {
    return absl::InvalidArgumentError("a repository's blob key has 32 bytes");
  }
  crypto::Sha256Hasher hasher;
  hasher.Update(std::string_view("\0\0\0\1", 4));
  hasher.Update(repository_key.view());
  hasher.Update("federity/blob/v1");
  hasher.Update(blob_id);
  return crypto::Aead::Create(crypto::Secret(hasher.Finish().view()));
}

Nonce MakeNonce(std::string_view prefix, uint32_t number) {
  Nonce nonce{};
  std::memcpy(nonce.data(), prefix.data(), 8);
  PutBigEndian32(nonce.data() + 8, number);
  return nonce;
}

uint32_t NumberOfNonce(std::string_view nonce) {
  uint32_t number = 0;
  for (int i = 8; i < 12; ++i) number = number << 8 | static_cast<uint8_t>(nonce[i]);
  return number;
}

FrameAad MakeFrameAad(std::string_view blob_id, uint32_t number, bool last) {
  FrameAad aad{};
  std::memcpy(aad.data(), blob_id.data(), kBlobIdBytes);
  PutBigEndian32(aad.data() + kBlobIdBytes, number);
  aad.back() = last ? 1 : 0;
  return aad;
}

std::string MakeTrailerAad(std::string_view blob_id, uint32_t number, int64_t size_bytes,
                           const crypto::Digest& digest) {
  char numbered[5];
  PutBigEndian32(numbered, number);
  numbered[4] = 2;
  return StrCat(blob_id, std::string_view(numbered, sizeof numbered),
                BigEndian64(static_cast<uint64_t>(size_bytes)), digest.view());
}

std::optional<int64_t> SizeOfSealed(int64_t file_bytes) {
  const int64_t body = file_bytes - kHeaderBytes - kTrailerBytes;
  if (body < kOverheadBytes) return std::nullopt;
  const int64_t rest = body % kStoredFrameBytes;
  // Every sealed blob ends in a frame that is shorter than a whole one.
  if (rest < kOverheadBytes) return std::nullopt;
  return body / kStoredFrameBytes * kFrameBytes + rest - kOverheadBytes;
}

}  // namespace federity::blobs
