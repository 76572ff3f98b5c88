#ifndef FEDERITY_COMMON_CRYPTO_DIGEST_H_
#define FEDERITY_COMMON_CRYPTO_DIGEST_H_

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace federity::crypto {

// A SHA-256 digest: a regular value type, ordered bytewise.
struct Digest {
  std::array<uint8_t, 32> bytes{};
  // 64 hexadecimal digits.
  std::string Hex() const;
  // "sha256:" and the digits: how digests stand in the API and on screen.
  std::string ToString() const;
  // The 32 raw bytes.
  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  friend auto operator<=>(const Digest&, const Digest&) = default;
};

// Reads "sha256:…" (64 lower-case digits).
absl::StatusOr<Digest> ParseDigest(std::string_view text);
// Takes 32 raw bytes.
absl::StatusOr<Digest> DigestFromBytes(std::string_view bytes);

Digest Sha256(std::string_view data);

// Incremental SHA-256. Movable; not thread-safe.
class Sha256Hasher {
 public:
  Sha256Hasher();
  Sha256Hasher(Sha256Hasher&&) noexcept;
  Sha256Hasher& operator=(Sha256Hasher&&) noexcept;
  ~Sha256Hasher();
  void Update(std::string_view data);
  // Ends it; REQUIRES: not called before.
  Digest Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace federity::crypto

#endif  // FEDERITY_COMMON_CRYPTO_DIGEST_H_
