#ifndef FEDERITY_COMMON_CRYPTO_AEAD_H_
#define FEDERITY_COMMON_CRYPTO_AEAD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/crypto/secret.h"

namespace federity::crypto {

// AES-256-GCM from OpenSSL: 32-byte key, 12-byte nonce, 16-byte tag (forgery
// probability ≤ 2^-96 for frames of 1 MiB).
inline constexpr size_t kAeadKeySize = 32;
inline constexpr size_t kAeadNonceSize = 12;
inline constexpr size_t kAeadTagSize = 16;

// A key with its cipher context, reused over many messages so that no memory is
// allocated for each. Movable; not thread-safe.
class Aead {
 public:
  static absl::StatusOr<Aead> Create(const Secret& key);
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;
  ~Aead();

  // Writes plaintext.size() + kAeadTagSize bytes to `out`, which may be the
  // plaintext's own buffer.
  absl::Status Seal(std::string_view nonce, std::string_view aad, std::string_view plaintext,
                    char* out);
  // Writes sealed.size() - kAeadTagSize bytes to `out`, which may be the sealed
  // buffer. DATA_LOSS if the tag does not match; `out` is then undefined.
  absl::Status Open(std::string_view nonce, std::string_view aad, std::string_view sealed,
                    char* out);

 private:
  struct State;
  explicit Aead(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Wraps a small secret under a key: nonce ‖ sealed, `label` as AAD.
std::string WrapSecret(const Secret& key, std::string_view label, const Secret& secret);
absl::StatusOr<Secret> UnwrapSecret(const Secret& key, std::string_view label,
                                    std::string_view wrapped);

}  // namespace federity::crypto

#endif  // FEDERITY_COMMON_CRYPTO_AEAD_H_
