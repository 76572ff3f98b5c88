#include "client/terminal/json.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "federity/v1/commits.pb.h"
#include "federity/v1/membership.pb.h"
#include "federity/v1/rounds.pb.h"
#include "federity/v1/server.pb.h"

namespace federity::terminal {
namespace {

TEST_CASE("A member as JSON", "[terminal]") {
  v1::Member member;
  member.set_name("organizations/o/members/m");
  member.set_role(v1::ROLE_OWNER);
  member.set_kind(v1::MEMBER_KIND_AGENT);
  member.set_approval(v1::APPROVAL_STATE_CURRENT);
  member.set_contribution_key("\x01\xff");
  member.mutable_create_time()->set_seconds(1'800'000'000);
  member.add_datasets()->set_rows(5'000'000'000);
  const Json json = ToJson(member);
  CHECK(json["name"] == "organizations/o/members/m");
  CHECK(json["role"] == "owner");
  CHECK(json["kind"] == "agent");
  CHECK(json["approval"] == "current");
  CHECK(json["contribution_key"] == "01ff");
  CHECK(json["create_time"] == "2027-01-15T08:00:00.000Z");
  CHECK(json["remove_time"].is_null());
  CHECK(json["online"] == false);
  CHECK(json["datasets"][0]["rows"] == 5'000'000'000);
  // Every field is there, set or not.
  CHECK(json.size() == static_cast<size_t>(v1::Member::descriptor()->field_count()));
}

TEST_CASE("States keep their names and seeds all their digits", "[terminal]") {
  v1::Round round;
  round.set_state(v1::Round::COMMITTED);
  round.set_seed(18'446'744'073'709'551'615u);
  const Json json = ToJson(round);
  CHECK(json["state"] == "COMMITTED");
  CHECK(json["seed"] == "18446744073709551615");
  CHECK(json["participants"].is_array());
}

TEST_CASE("What a later version sends is no trouble", "[terminal]") {
  v1::Round round;
  round.set_state(static_cast<v1::Round::State>(99));
  REQUIRE(round.MergeFromString("\x98\x06\x01"));  // field 99 = 1
  CHECK(ToJson(round)["state"] == "unknown (99)");
  CHECK(ToJson(round).size() == static_cast<size_t>(v1::Round::descriptor()->field_count()));
  CHECK(EnumText(static_cast<v1::Role>(-3)) == "unknown (-3)");
  CHECK(EnumText(v1::MEMBER_KIND_AGENT) == "agent");
}

TEST_CASE("Maps become objects", "[terminal]") {
  v1::AuditEvent event;
  (*event.mutable_details())["role"] = "owner";
  CHECK(ToJson(event)["details"] == Json({{"role", "owner"}}));
}

TEST_CASE("What JSON can't say is null, what is no UTF-8 is replaced", "[terminal]") {
  v1::Metrics metrics;
  metrics.set_loss_sum(std::nan(""));
  CHECK(Dump(ToJson(metrics), false).find("\"loss_sum\":null") != std::string::npos);
  const Json broken = {{"text", "\xff"}};
  CHECK(Dump(broken, false) == "{\"text\":\"\xEF\xBF\xBD\"}");
}

}  // namespace
}  // namespace federity::terminal
