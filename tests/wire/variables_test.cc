#include "tests/wire/variables.h"

#include <catch2/catch.hpp>

#include "federity/v1/rounds.pb.h"
#include "federity/v1/server.pb.h"
#include "tests/wire/messages.h"

namespace federity::testing {
namespace {

v1::Round Made(const std::string& name, const std::string& base) {
  v1::Round round;
  round.set_name(name);
  round.set_base_commit(base);
  round.add_participants()->set_member(name);
  return round;
}

TEST_CASE("Variables are learnt, put in and taken out again", "[wire]") {
  Variables variables;
  variables.Learn("luke", Made("o/${me.id}/r", ""), Made("o/0123456789/r", "x"));
  v1::Round round = Made("a/${me.id}", "${luke.id}${luke.id}");
  variables.Expand("luke", round);
  CHECK(round.name() == "a/0123456789");
  CHECK(round.base_commit() == "01234567890123456789");
  CHECK(round.participants(0).member() == "a/0123456789");
  variables.Reduce("luke", round);
  CHECK(round.base_commit() == "${me.id}${me.id}");
  variables.Expand("luke", round);
  variables.Reduce("anne", round);
  CHECK(round.participants(0).member() == "a/${luke.id}");
  CHECK_THROWS(variables.Expand("anne", *std::make_unique<v1::Round>(Made("${me.id}", ""))));
  variables.Set("hospital-luke", "hospital-luke");
  v1::Round named = Made("a/hospital-luke", "");
  variables.Reduce("hospital-luke", named);
  CHECK(named.name() == "a/${me}");
  variables.Set("hospital-luke.id", "of-hospital-luke");
  named = Made("of-hospital-luke hospital-luke", "");
  variables.Reduce("anne", named);
  CHECK(named.name() == "${hospital-luke.id} ${hospital-luke}");
  // What has a value keeps it; what does not fit sets nothing.
  variables.Learn("luke", Made("${me.id}", "b/${me.base}"), Made("another", "c/value"));
  v1::Round same = Made("${luke.id}", "");
  variables.Expand("", same);
  CHECK(same.name() == "0123456789");
  CHECK_THROWS(variables.Expand("luke", *std::make_unique<v1::Round>(Made("${me.base}", ""))));
}

TEST_CASE("Answers are compared as far as they were recorded", "[wire]") {
  wire::Scenario scenario;
  scenario.add_varying("federity.v1.Round.seed");
  scenario.add_varying("google.protobuf.Timestamp");
  scenario.add_unordered("federity.v1.Round.participants");
  v1::Round recorded = Made("n", "b");
  recorded.set_seed(7);
  recorded.mutable_create_time()->set_seconds(1);
  recorded.add_participants()->set_member("m");
  v1::Round answer = recorded;
  CHECK(Difference(scenario, recorded, answer).empty());
  answer.set_seed(8);
  answer.mutable_create_time()->set_seconds(2);
  answer.set_waiting_for("new");
  answer.mutable_participants()->SwapElements(0, 1);
  CHECK(Difference(scenario, recorded, answer).empty());
  SECTION("a varying field that is gone") { answer.clear_seed(); }
  SECTION("a varying message that is gone") { answer.clear_create_time(); }
  SECTION("another value") { answer.set_name("other"); }
  SECTION("another value within") { answer.mutable_participants(1)->set_member("other"); }
  SECTION("a field that is gone") { answer.clear_base_commit(); }
  SECTION("one less") { answer.mutable_participants()->RemoveLast(); }
  CHECK_FALSE(Difference(scenario, recorded, answer).empty());
}

TEST_CASE("Another type differs", "[wire]") {
  CHECK_FALSE(Difference({}, v1::Round(), v1::ServerInfo()).empty());
}

}  // namespace
}  // namespace federity::testing
