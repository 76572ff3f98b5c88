#include "server/membership/conversions.h"

#include <catch2/catch.hpp>

#include "common/crypto/secret.h"
#include "server/membership/callers.h"

namespace federity::membership {
namespace {

TEST_CASE("IsUuid takes what may be cast to uuid", "[membership]") {
  CHECK(IsUuid(crypto::RandomUuid()));
  CHECK(IsUuid("00000000-0000-4000-8000-000000000000"));
  for (const char* bad :
       {"", "0", "00000000-0000-4000-8000-00000000000", "00000000-0000-4000-8000-0000000000000",
        "00000000x0000-4000-8000-000000000000", "0000000000000-4000-8000-000000000000",
        "0000000g-0000-4000-8000-000000000000", "ABCDEF00-0000-4000-8000-000000000000",
        "00000000-0000-4000-8000-00000000000'"}) {
    INFO(bad);
    CHECK_FALSE(IsUuid(bad));
  }
}

TEST_CASE("IsPlainText refuses control characters", "[membership]") {
  CHECK(IsPlainText("", 10));
  CHECK(IsPlainText("Hôpital St-Luc", 200));
  CHECK_FALSE(IsPlainText("eleven char", 10));
  CHECK_FALSE(IsPlainText("a\nb", 10));
  CHECK_FALSE(IsPlainText("a\x1b[2J", 10));
  CHECK_FALSE(IsPlainText(std::string_view("a\0b", 3), 10));
  CHECK_FALSE(IsPlainText("a\x7f", 10));
  CHECK_FALSE(
      IsPlainText("\xc2\x9b"
                  "31m",
                  10));
}

TEST_CASE("IsPlainText refuses what reorders or hides text, and what is no UTF-8", "[membership]") {
  for (const char* text : {"東京大学", "Ηράκλειο", "بيمارستان", "क्षत्रिय", "🏥"}) {
    INFO(text);
    CHECK(IsPlainText(text, 200));
  }
  for (const char* text :
       {"\xE2\x80\xAE"
        "yraM .tS",
        "\xE2\x81\xA6x",
        "a\xE2\x80\x8B"
        "b",
        "\xC2\xAD", "\xEF\xBB\xBF", "\xE2\x80\xA8", "\xD8\x9C", "\xF3\xA0\x81\x81", "\xC2\x85"}) {
    INFO(text);
    CHECK_FALSE(IsPlainText(text, 200));
  }
  for (const char* text :
       {"\xff", "\xC3", "a\xE2\x80", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\x80"}) {
    CHECK_FALSE(IsPlainText(text, 200));
  }
}

TEST_CASE("Member URIs name a member and nothing else", "[membership]") {
  const std::string id = crypto::RandomUuid();
  CHECK(MemberIdFromUri(MemberUri(id)) == id);
  CHECK(MemberUri(id) == "federity:member:" + id);
  CHECK_FALSE(MemberIdFromUri("federity:member:").has_value());
  CHECK_FALSE(MemberIdFromUri("federity:member:" + id + "/x").has_value());
  CHECK_FALSE(MemberIdFromUri("https://example.org/" + id).has_value());
  CHECK_FALSE(MemberIdFromUri("xfederity:member:" + id).has_value());
}

TEST_CASE("Member names follow their scope", "[membership]") {
  CHECK(MemberName("", "", "m") == "members/m");
  CHECK(MemberName("st-mary", "", "m") == "organizations/st-mary/members/m");
  CHECK(MemberName("st-mary", "heart", "m") ==
        "organizations/st-mary/repositories/heart/members/m");
}

TEST_CASE("Timestamps keep nanoseconds, also before 1970", "[membership]") {
  for (const absl::Time time : {absl::UnixEpoch() + absl::Nanoseconds(1500000001),
                                absl::UnixEpoch() - absl::Nanoseconds(1), absl::UnixEpoch()}) {
    google::protobuf::Timestamp timestamp;
    SetTimestamp(time, &timestamp);
    CHECK(timestamp.nanos() >= 0);
    CHECK(FromTimestamp(timestamp) == time);
  }
}

}  // namespace
}  // namespace federity::membership
