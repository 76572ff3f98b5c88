#include "common/crypto/aead.h"

#include <limits>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/openssl.h"

namespace federity::crypto {
namespace {

constexpr size_t kMaxMessage = std::numeric_limits<int>::max() - kAeadTagSize;

// One direction of OpenSSL's two, which share their argument lists.
struct Direction {
  int encrypt;
  std::string_view nonce;
  std::string_view aad;
};

// Runs `size` bytes from `in` to `out` through the cipher, without the tag.
bool Process(EVP_CIPHER_CTX* context, const Direction& direction, const char* in, size_t size,
             char* out) {
  int length = 0;
  return EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, Bytes(direction.nonce),
                           direction.encrypt) == 1 &&
         EVP_CipherUpdate(context, nullptr, &length, Bytes(direction.aad),
                          static_cast<int>(direction.aad.size())) == 1 &&
         EVP_CipherUpdate(context, Bytes(out), &length, reinterpret_cast<const unsigned char*>(in),
                          static_cast<int>(size)) == 1;
}

absl::Status CheckSizes(std::string_view nonce, std::string_view aad, size_t message) {
  if (nonce.size() != kAeadNonceSize)
    return absl::InvalidArgumentError(StrCat("a nonce has 12 bytes, not ", nonce.size()));
  if (aad.size() > kMaxMessage || message > kMaxMessage)
    return absl::InvalidArgumentError("a message of 2 GiB or more can't be sealed");
  return absl::OkStatus();
}

}  // namespace

struct Aead::State {
  CipherContextPtr seal{EVP_CIPHER_CTX_new()};
  CipherContextPtr open{EVP_CIPHER_CTX_new()};
};

Aead::Aead(std::unique_ptr<State> state) : state_(std::move(state)) {}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

absl::StatusOr<Aead> Aead::Create(const Secret& key) {
  if (key.size() != kAeadKeySize)
    return absl::InvalidArgumentError(StrCat("an AES-256 key has 32 bytes, not ", key.size()));
  auto state = std::make_unique<State>();
  const unsigned char* bytes = Bytes(key.view());
  if (EVP_CipherInit_ex(state->seal.get(), EVP_aes_256_gcm(), nullptr, bytes, nullptr, 1) != 1 ||
      EVP_CipherInit_ex(state->open.get(), EVP_aes_256_gcm(), nullptr, bytes, nullptr, 0) != 1)
    return OpensslError("AES-256-GCM");
  return Aead(std::move(state));
}

absl::Status Aead::Seal(std::string_view nonce, std::string_view aad, std::string_view plaintext,
                        char* out) {
  FEDERITY_RETURN_IF_ERROR(CheckSizes(nonce, aad, plaintext.size()));
  EVP_CIPHER_CTX* context = state_->seal.get();
  unsigned char unused[kAeadTagSize];  // GCM's last block is empty
  int length = 0;
  if (!Process(context, {1, nonce, aad}, plaintext.data(), plaintext.size(), out) ||
      EVP_CipherFinal_ex(context, unused, &length) != 1 ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, out + plaintext.size()) !=
          1)
    return OpensslError("seal");
  return absl::OkStatus();
}

absl::Status Aead::Open(std::string_view nonce, std::string_view aad, std::string_view sealed,
                        char* out) {
  if (sealed.size() < kAeadTagSize)
    return absl::DataLossError("a sealed message is shorter than its tag");
  const size_t size = sealed.size() - kAeadTagSize;
  FEDERITY_RETURN_IF_ERROR(CheckSizes(nonce, aad, size));
  EVP_CIPHER_CTX* context = state_->open.get();
  unsigned char tag[kAeadTagSize];
  sealed.copy(reinterpret_cast<char*>(tag), kAeadTagSize, size);
  int length = 0;
  if (!Process(context, {0, nonce, aad}, sealed.data(), size, out) ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kAeadTagSize, tag) != 1 ||
      EVP_CipherFinal_ex(context, tag, &length) != 1) {
    ERR_clear_error();
    return absl::DataLossError("a sealed message does not match its tag");
  }
  return absl::OkStatus();
}

std::string WrapSecret(const Secret& key, std::string_view label, const Secret& secret) {
  std::string wrapped = RandomBytes(kAeadNonceSize);
  wrapped.resize(kAeadNonceSize + secret.size() + kAeadTagSize);
  auto aead = Aead::Create(key);
  if (!aead.ok() || !aead->Seal({wrapped.data(), kAeadNonceSize}, label, secret.view(),
                                wrapped.data() + kAeadNonceSize)
                         .ok())
    return "";  // a key of the wrong size: opens nowhere
  return wrapped;
}

absl::StatusOr<Secret> UnwrapSecret(const Secret& key, std::string_view label,
                                    std::string_view wrapped) {
  if (wrapped.size() < kAeadNonceSize + kAeadTagSize)
    return absl::DataLossError("a wrapped secret is too short");
  FEDERITY_ASSIGN_OR_RETURN(Aead aead, Aead::Create(key));
  std::string plain(wrapped.size() - kAeadNonceSize, '\0');
  const absl::Status status = aead.Open(wrapped.substr(0, kAeadNonceSize), label,
                                        wrapped.substr(kAeadNonceSize), plain.data());
  Secret secret(std::string_view(plain).substr(0, plain.size() - kAeadTagSize));
  OPENSSL_cleanse(plain.data(), plain.size());
  if (!status.ok()) return status;
  return secret;
}

}  // namespace federity::crypto
