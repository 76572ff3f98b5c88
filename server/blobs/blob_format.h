#ifndef FEDERITY_SERVER_BLOBS_BLOB_FORMAT_H_
#define FEDERITY_SERVER_BLOBS_BLOB_FORMAT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/crypto/aead.h"
#include "common/crypto/digest.h"
#include "common/crypto/secret.h"
#include "server/blobs/blob_store.h"

namespace federity::blobs {

// The bytes of a blob file; docs/formats/blob.md has the reasons.
//
//   file    = header frame* last trailer      a sealed blob
//           | header frame* garbage           a partial one
//   header  = "FEDBLOB" 0x01  blob-id[16]
//   frame   = nonce[12] ciphertext[1 MiB] tag[16]
//   last    = nonce[12] ciphertext[0 … 1 MiB - 1] tag[16]
//   trailer = nonce[12] tag[16]
//   nonce   = session-prefix[8] number[4, big endian]

inline constexpr std::string_view kMagic{"FEDBLOB\x01", 8};
inline constexpr int64_t kBlobIdBytes = 16;
inline constexpr int64_t kHeaderBytes = 8 + kBlobIdBytes;
inline constexpr int64_t kNonceBytes = crypto::kAeadNonceSize;
inline constexpr int64_t kOverheadBytes = crypto::kAeadNonceSize + crypto::kAeadTagSize;
inline constexpr int64_t kStoredFrameBytes = kFrameBytes + kOverheadBytes;
inline constexpr int64_t kTrailerBytes = kOverheadBytes;
inline constexpr uint32_t kMaxFrames = 0xfffffff0;

inline constexpr int64_t FrameOffset(int64_t number) {
  return kHeaderBytes + number * kStoredFrameBytes;
}

// The file's own key: SHA-256(00000001 ‖ repository key ‖ "federity/blob/v1" ‖
// blob id), the one-step KDF of NIST SP 800-56C.
absl::StatusOr<crypto::Aead> FileCipher(const crypto::Secret& repository_key,
                                        std::string_view blob_id);

using Nonce = std::array<char, kNonceBytes>;
Nonce MakeNonce(std::string_view prefix, uint32_t number);
uint32_t NumberOfNonce(std::string_view nonce);
inline std::string_view View(const Nonce& nonce) { return {nonce.data(), nonce.size()}; }

// blob id ‖ frame number ‖ 0 or 1 (last).
using FrameAad = std::array<char, kBlobIdBytes + 5>;
FrameAad MakeFrameAad(std::string_view blob_id, uint32_t number, bool last);
inline std::string_view View(const FrameAad& aad) { return {aad.data(), aad.size()}; }

// blob id ‖ trailer's number ‖ 2 ‖ size (8 bytes) ‖ digest: the trailer binds a
// file to its address and its length.
std::string MakeTrailerAad(std::string_view blob_id, uint32_t number, int64_t size_bytes,
                           const crypto::Digest& digest);

// Plaintext size of a sealed file of this length; nothing if none has it.
std::optional<int64_t> SizeOfSealed(int64_t file_bytes);

}  // namespace federity::blobs

#endif  // FEDERITY_SERVER_BLOBS_BLOB_FORMAT_H_
