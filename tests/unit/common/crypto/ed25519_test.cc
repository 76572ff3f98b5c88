#include "common/crypto/ed25519.h"

#include <sodium.h>

#include <catch2/catch.hpp>

#include "common/base/encoding.h"

namespace federity::crypto {
namespace {

std::string Bytes(const char* hex) { return HexDecode(hex).value(); }

TEST_CASE("Keys are those of RFC 8032 §7.1", "[crypto]") {
  const struct {
    const char* seed;
    const char* public_key;
  } vectors[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
       "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"},
  };
  for (const auto& vector : vectors) {
    const auto key = SigningKey::FromSeed(Secret(Bytes(vector.seed)));
    REQUIRE(key.ok());
    CHECK(HexEncode(key->public_key()) == vector.public_key);
  }
  CHECK_FALSE(SigningKey::FromSeed(Secret("short")).ok());
}

TEST_CASE("A signature is libsodium's over label, zero and message", "[crypto]") {
  const SigningKey key = SigningKey::Generate();
  unsigned char public_key[32];
  unsigned char secret_key[64];
  unsigned char expected[64];
  crypto_sign_seed_keypair(public_key, secret_key,
                           reinterpret_cast<const unsigned char*>(key.seed().view().data()));
  const std::string signed_bytes("label\0message", 13);
  crypto_sign_detached(expected, nullptr,
                       reinterpret_cast<const unsigned char*>(signed_bytes.data()),
                       signed_bytes.size(), secret_key);
  CHECK(key.Sign("label", "message") == std::string(reinterpret_cast<char*>(expected), 64));
  CHECK(key.public_key() == std::string(reinterpret_cast<char*>(public_key), 32));
}

TEST_CASE("Any flipped bit breaks a signature", "[crypto]") {
  const SigningKey key = SigningKey::Generate();
  const std::string signature = key.Sign("label", "message");
  CHECK(VerifySignature(key.public_key(), "label", "message", signature));
  CHECK(VerifySignature(key.public_key(), "", "", key.Sign("", "")));
  CHECK_FALSE(VerifySignature(key.public_key(), "Label", "message", signature));
  CHECK_FALSE(VerifySignature(key.public_key(), "label", "messagf", signature));
  CHECK_FALSE(VerifySignature(key.public_key(), "labe", "lmessage", signature));
  CHECK_FALSE(VerifySignature(SigningKey::Generate().public_key(), "label", "message", signature));
  for (size_t bit = 0; bit < signature.size() * 8; ++bit) {
    std::string changed = signature;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    CHECK_FALSE(VerifySignature(key.public_key(), "label", "message", changed));
  }
  for (size_t bit = 0; bit < 256; ++bit) {
    std::string changed = key.public_key();
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    CHECK_FALSE(VerifySignature(changed, "label", "message", signature));
  }
}

TEST_CASE("Malformed sizes are refused", "[crypto]") {
  const SigningKey key = SigningKey::Generate();
  const std::string signature = key.Sign("l", "m");
  CHECK_FALSE(VerifySignature("", "l", "m", signature));
  CHECK_FALSE(VerifySignature(key.public_key() + "x", "l", "m", signature));
  CHECK_FALSE(VerifySignature(key.public_key(), "l", "m", signature + "x"));
  CHECK_FALSE(VerifySignature(key.public_key(), "l", "m", ""));
}

TEST_CASE("Keys of small order, for which signatures can be forged, are refused", "[crypto]") {
  // R = identity and S = 0 fit every message under the identity as key.
  const std::string forged =
      Bytes("0100000000000000000000000000000000000000000000000000000000000000") +
      std::string(32, '\0');
  for (const char* key : {
           "0100000000000000000000000000000000000000000000000000000000000000",
           "0000000000000000000000000000000000000000000000000000000000000000",
           "0000000000000000000000000000000000000000000000000000000000000080",
           "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
           "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
           "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
           "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
           "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
           "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  // not canonical
           "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
       }) {
    INFO(key);
    CHECK_FALSE(VerifySignature(Bytes(key), "label", "message", forged));
  }
}

TEST_CASE("An S beyond the group's order is refused", "[crypto]") {
  const SigningKey key = SigningKey::Generate();
  std::string signature = key.Sign("l", "m");
  // S + L, little endian: the same point, another spelling.
  const std::string order =
      Bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  int carry = 0;
  for (size_t i = 0; i < 32; ++i) {
    const int sum = static_cast<unsigned char>(signature[32 + i]) +
                    static_cast<unsigned char>(order[i]) + carry;
    signature[32 + i] = static_cast<char>(sum & 0xff);
    carry = sum >> 8;
  }
  REQUIRE(carry == 0);
  CHECK_FALSE(VerifySignature(key.public_key(), "l", "m", signature));
}

}  // namespace
}  // namespace federity::crypto
