#include "common/crypto/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>

#include "common/base/encoding.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/crypto/openssl.h"

namespace federity::crypto {
namespace {

constexpr std::string_view kPrefix = "sha256:";

// SHA-256 fails only without memory or with a broken OpenSSL: nothing can go on.
void Require(int ok) {
  if (ok != 1) std::abort();
}

}  // namespace

std::string Digest::Hex() const { return HexEncode(view()); }

std::string Digest::ToString() const { return StrCat(kPrefix, Hex()); }

absl::StatusOr<Digest> ParseDigest(std::string_view text) {
  if (text.substr(0, kPrefix.size()) == kPrefix && text.size() == kPrefix.size() + 64) {
    if (const auto bytes = HexDecode(text.substr(kPrefix.size()))) return DigestFromBytes(*bytes);
  }
  return InvalidArgument("digest",
                         StrCat("\"", text.substr(0, 100),
                                "\" is not a digest: write sha256: and 64 hexadecimal digits"));
}

absl::StatusOr<Digest> DigestFromBytes(std::string_view bytes) {
  Digest digest;
  if (bytes.size() != digest.bytes.size())
    return InvalidArgument("digest", StrCat("a digest has 32 bytes, not ", bytes.size()));
  std::copy(bytes.begin(), bytes.end(), digest.bytes.begin());
  return digest;
}

Digest Sha256(std::string_view data) {
  Digest digest;
  Require(
      EVP_Digest(data.data(), data.size(), digest.bytes.data(), nullptr, EVP_sha256(), nullptr));
  return digest;
}

struct Sha256Hasher::State {
  DigestContextPtr context{EVP_MD_CTX_new()};
};

Sha256Hasher::Sha256Hasher() : state_(std::make_unique<State>()) {
  Require(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr));
}
Sha256Hasher::Sha256Hasher(Sha256Hasher&&) noexcept = default;
Sha256Hasher& Sha256Hasher::operator=(Sha256Hasher&&) noexcept = default;
Sha256Hasher::~Sha256Hasher() = default;

void Sha256Hasher::Update(std::string_view data) {
  Require(EVP_DigestUpdate(state_->context.get(), data.data(), data.size()));
}

Digest Sha256Hasher::Finish() {
  Digest digest;
  Require(EVP_DigestFinal_ex(state_->context.get(), digest.bytes.data(), nullptr));
  return digest;
}

}  // namespace federity::crypto
