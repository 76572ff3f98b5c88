#include "common/crypto/digest.h"

#include <catch2/catch.hpp>

namespace federity::crypto {
namespace {

TEST_CASE("SHA-256 gives the vectors of FIPS 180-4", "[crypto]") {
  CHECK(Sha256("").Hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Sha256("abc").Hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").Hex() ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("Hashing in pieces gives the same", "[crypto]") {
  Sha256Hasher hasher;
  for (int i = 0; i < 1000; ++i) hasher.Update(std::string(1000, 'a'));
  CHECK(hasher.Finish().Hex() ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  Sha256Hasher other;
  other.Update("ab");
  Sha256Hasher moved = std::move(other);
  moved.Update("c");
  CHECK(moved.Finish() == Sha256("abc"));
}

TEST_CASE("Digests are read strictly", "[crypto]") {
  const Digest digest = Sha256("abc");
  CHECK(digest.ToString() == "sha256:" + digest.Hex());
  CHECK(*ParseDigest(digest.ToString()) == digest);
  CHECK(*DigestFromBytes(digest.view()) == digest);
  std::string upper = digest.ToString();
  upper[7] = 'B';
  for (const std::string& bad :
       {std::string(), digest.Hex(), "sha512:" + digest.Hex(), digest.ToString() + "0",
        digest.ToString().substr(0, 70), upper, " " + digest.ToString()})
    CHECK_FALSE(ParseDigest(bad).ok());
  CHECK_FALSE(DigestFromBytes("short").ok());
}

}  // namespace
}  // namespace federity::crypto
