#include "common/crypto/aead.h"

#include <catch2/catch.hpp>

#include "common/base/encoding.h"

namespace federity::crypto {
namespace {

std::string Bytes(const char* hex) { return HexDecode(hex).value(); }

std::string Seal(Aead& aead, std::string_view nonce, std::string_view aad, std::string_view plain) {
  std::string sealed(plain.size() + kAeadTagSize, '\0');
  REQUIRE(aead.Seal(nonce, aad, plain, sealed.data()).ok());
  return sealed;
}

TEST_CASE("AES-256-GCM gives the vectors of its specification", "[crypto]") {
  // McGrew and Viega, "The Galois/Counter Mode of Operation", cases 13, 14, 16.
  Aead zero = *Aead::Create(Secret(std::string(32, '\0')));
  const std::string nonce(12, '\0');
  CHECK(HexEncode(Seal(zero, nonce, "", "")) == "530f8afbc74536b9a963b4f1c4cb738b");
  CHECK(HexEncode(Seal(zero, nonce, "", std::string(16, '\0'))) ==
        "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
  Aead aead = *Aead::Create(
      Secret(Bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")));
  CHECK(HexEncode(Seal(aead, Bytes("cafebabefacedbaddecaf888"),
                       Bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
                       Bytes("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                             "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"))) ==
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece"
        "0f4e1768cddf8853bb2d551b");
}

TEST_CASE("Sealing and opening work in place and many times", "[crypto]") {
  Aead aead = *Aead::Create(RandomSecret(kAeadKeySize));
  for (size_t size : {size_t{0}, size_t{1}, size_t{15}, size_t{16}, size_t{100'000}}) {
    const std::string plain = RandomBytes(size);
    const std::string nonce = RandomBytes(kAeadNonceSize);
    std::string buffer = plain + std::string(kAeadTagSize, '\0');
    REQUIRE(aead.Seal(nonce, "aad", {buffer.data(), size}, buffer.data()).ok());
    REQUIRE(aead.Open(nonce, "aad", buffer, buffer.data()).ok());
    CHECK(buffer.substr(0, size) == plain);
  }
}

TEST_CASE("Every changed bit of nonce, data, aad or key is found", "[crypto]") {
  const Secret key = RandomSecret(kAeadKeySize);
  Aead aead = *Aead::Create(key);
  const std::string nonce = RandomBytes(kAeadNonceSize);
  const std::string sealed = Seal(aead, nonce, "aad", "secret words");
  std::string out(sealed.size(), '\0');
  const auto opens = [&](std::string_view with_nonce, std::string_view aad, std::string_view data) {
    return aead.Open(with_nonce, aad, data, out.data());
  };
  REQUIRE(opens(nonce, "aad", sealed).ok());
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    CHECK(absl::IsDataLoss(opens(nonce, "aad", changed)));
  }
  for (size_t bit = 0; bit < nonce.size() * 8; ++bit) {
    std::string changed = nonce;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    CHECK(absl::IsDataLoss(opens(changed, "aad", sealed)));
  }
  CHECK(absl::IsDataLoss(opens(nonce, "aae", sealed)));
  CHECK(absl::IsDataLoss(opens(nonce, "", sealed)));
  CHECK(absl::IsDataLoss(opens(nonce, "aad", sealed.substr(0, 15))));
  CHECK(absl::IsDataLoss(opens(nonce, "aad", "")));
  CHECK(absl::IsInvalidArgument(opens("short", "aad", sealed)));
  Aead other = *Aead::Create(RandomSecret(kAeadKeySize));
  CHECK(absl::IsDataLoss(other.Open(nonce, "aad", sealed, out.data())));
  // A refused message does not spoil the context.
  CHECK(opens(nonce, "aad", sealed).ok());
}

TEST_CASE("Keys of another size are refused", "[crypto]") {
  CHECK_FALSE(Aead::Create(Secret("short")).ok());
  CHECK_FALSE(Aead::Create(Secret()).ok());
}

TEST_CASE("Secrets are wrapped under key and label", "[crypto]") {
  const Secret key = RandomSecret(kAeadKeySize);
  const Secret secret = RandomSecret(32);
  const std::string wrapped = WrapSecret(key, "repository-key", secret);
  CHECK(wrapped != WrapSecret(key, "repository-key", secret));
  CHECK(wrapped.find(std::string(secret.view())) == std::string::npos);
  CHECK(UnwrapSecret(key, "repository-key", wrapped)->Equals(secret.view()));
  CHECK(absl::IsDataLoss(UnwrapSecret(key, "ca-key", wrapped).status()));
  CHECK(absl::IsDataLoss(UnwrapSecret(RandomSecret(32), "repository-key", wrapped).status()));
  CHECK(absl::IsDataLoss(UnwrapSecret(key, "repository-key", "").status()));
  CHECK(absl::IsDataLoss(UnwrapSecret(key, "repository-key", wrapped.substr(1)).status()));
  CHECK(WrapSecret(Secret("short"), "x", secret).empty());
  CHECK(UnwrapSecret(key, "empty", WrapSecret(key, "empty", Secret()))->empty());
}

}  // namespace
}  // namespace federity::crypto
