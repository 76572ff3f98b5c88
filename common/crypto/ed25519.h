#ifndef FEDERITY_COMMON_CRYPTO_ED25519_H_
#define FEDERITY_COMMON_CRYPTO_ED25519_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/crypto/secret.h"

namespace federity::crypto {

// Ed25519 (RFC 8032, 128-bit security) from OpenSSL. A message is always signed
// with a label that says what it is: the bytes signed are label ‖ 0x00 ‖
// message, so that no signature passes for one of another kind.

inline constexpr size_t kEd25519KeySize = 32;
inline constexpr size_t kEd25519SignatureSize = 64;

// A private key. Movable, thread-compatible.
class SigningKey {
 public:
  static SigningKey Generate();
  // From the 32-byte seed.
  static absl::StatusOr<SigningKey> FromSeed(const Secret& seed);
  const Secret& seed() const { return seed_; }
  // 32 bytes.
  const std::string& public_key() const { return public_key_; }
  // 64 bytes.
  std::string Sign(std::string_view label, std::string_view message) const;

 private:
  Secret seed_;
  std::string public_key_;
};

// Whether the signature is good; false also for malformed and small-order keys.
bool VerifySignature(std::string_view public_key, std::string_view label,
                     std::string_view message, std::string_view signature);

}  // namespace federity::crypto

#endif  // FEDERITY_COMMON_CRYPTO_ED25519_H_
