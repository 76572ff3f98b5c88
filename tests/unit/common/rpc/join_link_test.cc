#include "common/rpc/join_link.h"

#include <catch2/catch.hpp>

#include "common/base/encoding.h"
#include "common/base/errors.h"
#include "common/rpc/address.h"

namespace federity::rpc {
namespace {

JoinLink Example() {
  JoinLink link;
  link.address = "host.example:8443";
  link.kind = v1::MEMBER_KIND_AGENT;
  link.ca_fingerprint = crypto::Sha256("ca");
  link.secret = "0123456789abcdef";
  return link;
}

TEST_CASE("Links go there and back", "[rpc]") {
  for (const std::string address : {"host:1", "127.0.0.1:8443", "[::1]:65535", "a-b.c:8443"}) {
    JoinLink link = Example();
    link.address = address;
    const std::string text = FormatJoinLink(link);
    CHECK(text.rfind("federity://" + address + "/j1/", 0) == 0);
    const auto parsed = ParseJoinLink("  " + text + "\n");
    REQUIRE(parsed.ok());
    CHECK(parsed->address == address);
    CHECK(parsed->kind == v1::MEMBER_KIND_AGENT);
    CHECK(parsed->ca_fingerprint == link.ca_fingerprint);
    CHECK(parsed->secret == link.secret);
  }
}

TEST_CASE("The link is golden", "[rpc]") {
  CHECK(FormatJoinLink(Example()) ==
        "federity://host.example:8443/j1/" +
            Base64UrlEncode(std::string("\x02") + std::string(crypto::Sha256("ca").view()) +
                            "0123456789abcdef"));
}

TEST_CASE("A damaged link says which part is wrong and shows no secret", "[rpc]") {
  const std::string good = FormatJoinLink(Example());
  const std::string payload = good.substr(good.rfind('/') + 1);
  const std::pair<std::string, std::string> cases[] = {
      {"", "federity://"},
      {"https" + good.substr(8), "federity://"},
      {"federity://host:8443", "ends after the address"},
      {"federity://host/j1/" + payload, "port is missing"},
      {"federity://:8443/j1/" + payload, "host is no name"},
      {"federity://ho st:8443/j1/" + payload, "host is no name"},
      {"federity://host:0/j1/" + payload, "port"},
      {"federity://host:65536/j1/" + payload, "port"},
      {"federity://host:8443/j2/" + payload, "version"},
      {"federity://host:8443/j1/", "damaged or incomplete"},
      {good + "A", "damaged or incomplete"},
      {good + "=", "damaged or incomplete"},
      {good.substr(0, good.size() - 1), "damaged or incomplete"},
      {good + "/" + payload, "damaged or incomplete"},
      {"federity://host:8443/j1/" + Base64UrlEncode('\x07' + std::string(48, 'x')),
       "kind of member"},
      {"federity://host:8443/j1/" + Base64UrlEncode('\0' + std::string(48, 'x')), "kind of member"},
  };
  for (const auto& [text, message] : cases) {
    INFO(text);
    const auto link = ParseJoinLink(text);
    CHECK(absl::IsInvalidArgument(link.status()));
    CHECK_THAT(std::string(link.status().message()), Catch::Contains(message));
    CHECK(std::string(link.status().message()).find(payload) == std::string::npos);
  }
  for (size_t size = 0; size < good.size(); ++size)
    CHECK_FALSE(ParseJoinLink(good.substr(0, size)).ok());
  CHECK_FALSE(ParseJoinLink(std::string(1 << 20, 'x')).ok());
}

TEST_CASE("Addresses are taken apart strictly", "[rpc]") {
  const auto v6 = ParseAddress("[2001:db8::1]:443");
  REQUIRE(v6.ok());
  CHECK(v6->host == "2001:db8::1");
  CHECK(v6->port == 443);
  CHECK(v6->is_ip);
  CHECK(ParseAddress("10.0.0.1:1")->is_ip);
  CHECK_FALSE(ParseAddress("10.example:1")->is_ip);
  for (const std::string bad : {"", "host", "host:", ":1", "host:x", "host:01", "host:+1",
                                "host:70000", "2001:db8::1:443", "[::1]", "[]:1", "[host]:1",
                                "-a:1", ".a:1", "a_b:1", "a/b:1", "a@b:1", "host:1 ", "höst:1"}) {
    INFO(bad);
    CHECK_FALSE(ParseAddress(bad).ok());
  }
  CHECK_FALSE(ParseAddress(std::string(254, 'a') + ":1").ok());
}

}  // namespace
}  // namespace federity::rpc
