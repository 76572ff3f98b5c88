#include "common/crypto/ed25519.h"

#include <sodium.h>

#include <cstdlib>

#include "absl/status/status.h"
#include "common/base/strings.h"
#include "common/crypto/openssl.h"

namespace federity::crypto {
namespace {

std::string Labelled(std::string_view label, std::string_view message) {
  std::string bytes;
  bytes.reserve(label.size() + 1 + message.size());
  bytes.append(label).push_back('\0');
  bytes.append(message);
  return bytes;
}

}  // namespace

SigningKey SigningKey::Generate() {
  auto key = FromSeed(RandomSecret(kEd25519KeySize));
  if (!key.ok()) std::abort();  // OpenSSL takes every 32-byte seed
  return *std::move(key);
}

absl::StatusOr<SigningKey> SigningKey::FromSeed(const Secret& seed) {
  if (seed.size() != kEd25519KeySize)
    return absl::InvalidArgumentError(
        StrCat("a signing key's seed has 32 bytes, not ", seed.size()));
  const KeyPtr key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Bytes(seed.view()), seed.size()));
  SigningKey result;
  result.public_key_.resize(kEd25519KeySize);
  size_t size = kEd25519KeySize;
  if (key == nullptr ||
      EVP_PKEY_get_raw_public_key(key.get(), Bytes(result.public_key_.data()), &size) != 1)
    return OpensslError("Ed25519 key");
  result.seed_ = seed.Clone();
  return result;
}

std::string SigningKey::Sign(std::string_view label, std::string_view message) const {
  const KeyPtr key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Bytes(seed_.view()), seed_.size()));
  const DigestContextPtr context(EVP_MD_CTX_new());
  const std::string bytes = Labelled(label, message);
  std::string signature(kEd25519SignatureSize, '\0');
  size_t size = signature.size();
  // Fails only without memory; an empty signature would be taken for one.
  if (key == nullptr || context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), Bytes(signature.data()), &size, Bytes(bytes), bytes.size()) !=
          1)
    std::abort();
  return signature;
}

bool VerifySignature(std::string_view public_key, std::string_view label, std::string_view message,
                     std::string_view signature) {
  if (public_key.size() != kEd25519KeySize || signature.size() != kEd25519SignatureSize)
    return false;
  // OpenSSL accepts keys of small order, for which one signature fits many
  // messages; libsodium refuses them and non-canonical encodings.
  if (crypto_core_ed25519_is_valid_point(Bytes(public_key)) != 1) return false;
  const KeyPtr key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(public_key), public_key.size()));
  const DigestContextPtr context(EVP_MD_CTX_new());
  const std::string bytes = Labelled(label, message);
  const bool good =
      key != nullptr && context != nullptr &&
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
      EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(bytes),
                       bytes.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace federity::crypto
