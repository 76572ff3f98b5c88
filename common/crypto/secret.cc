#include "common/crypto/secret.h"

#include <openssl/crypto.h>
#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

#include "common/base/encoding.h"

namespace federity::crypto {
namespace {

// The whole capacity: short strings leave their bytes behind when moved from.
void Wipe(std::string& bytes) {
  bytes.resize(bytes.capacity());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  bytes.clear();
}

}  // namespace

Secret::Secret(std::string_view bytes) : bytes_(bytes) {}

Secret::Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) { Wipe(other.bytes_); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    Wipe(bytes_);
    bytes_ = std::move(other.bytes_);
    Wipe(other.bytes_);
  }
  return *this;
}

Secret::~Secret() { Wipe(bytes_); }

bool Secret::Equals(std::string_view other) const {
  return bytes_.size() == other.size() &&
         CRYPTO_memcmp(bytes_.data(), other.data(), other.size()) == 0;
}

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  for (size_t done = 0; done < size;) {
    const ssize_t got = getrandom(bytes.data() + done, size - done, 0);
    if (got < 0 && errno != EINTR) std::abort();
    if (got > 0) done += static_cast<size_t>(got);
  }
  return bytes;
}

Secret RandomSecret(size_t size) {
  std::string bytes = RandomBytes(size);
  Secret secret(bytes);
  Wipe(bytes);
  return secret;
}

std::string RandomUuid() {
  std::string bytes = RandomBytes(16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);  // version 4
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);  // variant of RFC 4122
  std::string text = HexEncode(bytes);
  for (const size_t position : {8, 13, 18, 23}) text.insert(position, 1, '-');
  return text;
}

}  // namespace federity::crypto
