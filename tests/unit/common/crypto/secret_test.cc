#include "common/crypto/secret.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <new>
#include <set>

namespace federity::crypto {
namespace {

TEST_CASE("A moved-from secret holds nothing", "[crypto]") {
  // Short enough that the bytes lie in the object itself.
  alignas(Secret) char storage[sizeof(Secret)];
  auto* secret = new (storage) Secret("hunter2hunter2");
  CHECK(std::search(storage, storage + sizeof storage, "hunter2", "hunter2" + 7) !=
        storage + sizeof storage);
  const Secret taken = std::move(*secret);
  CHECK(taken.view() == "hunter2hunter2");
  CHECK(secret->empty());
  const std::string left(storage, sizeof storage);
  CHECK(left.find("hunter2") == std::string::npos);
  secret->~Secret();
}

TEST_CASE("A secret is wiped when it goes", "[crypto]") {
  alignas(Secret) char storage[sizeof(Secret)];
  auto* secret = new (storage) Secret("hunter2hunter2");
  secret->~Secret();
  char left[sizeof storage];
  std::memcpy(left, storage, sizeof storage);
  CHECK(std::string(left, sizeof left).find("hunter2") == std::string::npos);
}

TEST_CASE("Secrets compare whole", "[crypto]") {
  const Secret secret("abc");
  CHECK(secret.Equals("abc"));
  CHECK_FALSE(secret.Equals("abd"));
  CHECK_FALSE(secret.Equals("ab"));
  CHECK_FALSE(secret.Equals("abcd"));
  CHECK(secret.Clone().Equals("abc"));
}

TEST_CASE("Random bytes and UUIDs", "[crypto]") {
  CHECK(RandomBytes(0).empty());
  CHECK(RandomBytes(1000).size() == 1000);
  CHECK(RandomBytes(32) != RandomBytes(32));
  CHECK(RandomSecret(16).size() == 16);
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = RandomUuid();
    REQUIRE(uuid.size() == 36);
    CHECK(uuid[8] == '-');
    CHECK(uuid[13] == '-');
    CHECK(uuid[14] == '4');
    CHECK(uuid[18] == '-');
    CHECK(std::string("89ab").find(uuid[19]) != std::string::npos);
    CHECK(uuid[23] == '-');
    CHECK(seen.insert(uuid).second);
  }
}

}  // namespace
}  // namespace federity::crypto
