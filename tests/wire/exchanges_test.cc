// What peers of version 1 say is understood and answered for good:
// docs/design/compatibility.md.

#include <google/protobuf/unknown_field_set.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <set>

#include "common/base/strings.h"
#include "tests/testing/server_process.h"
#include "tests/wire/api_files.h"
#include "tests/wire/golden.h"
#include "tests/wire/player.h"

namespace federity::testing {
namespace {

namespace pb = google::protobuf;

constexpr char kHowToRecord[] = "tests/wire/record.sh records what is new";

wire::Scenario Frozen() {
  const auto frozen = ReadFrozen();
  INFO(kHowToRecord);
  REQUIRE(frozen.has_value());
  return *frozen;
}

// Plays all; returns how many calls with an unknown enum were refused.
int PlayAll(wire::Scenario& scenario, Player::Twist twist = {}) {
  ServerProcess server;
  Player player(scenario, server.administrator_link(), twist);
  for (wire::Exchange& exchange : *scenario.mutable_exchange()) {
    INFO(exchange.about());
    REQUIRE_NOTHROW(player.Play(exchange));
  }
  return player.probes();
}

TEST_CASE("Every recorded request is answered as it was", "[wire]") {
  const bool record = std::getenv("FEDERITY_WIRE_RECORD") != nullptr;
  wire::Scenario scenario = record ? ToRecord() : Frozen();
  PlayAll(scenario);
  if (record) Write(scenario);
}

TEST_CASE("Fields of a later version are passed over by the coordinator", "[wire]") {
  wire::Scenario scenario = Frozen();
  PlayAll(scenario, {.unknown_fields = true});
}

TEST_CASE("Enum values of a later version are refused, and harm nothing", "[wire]") {
  wire::Scenario scenario = Frozen();
  CHECK(PlayAll(scenario, {.unknown_enums = true}) >= 10);
}

TEST_CASE("Recorded messages parse without a rest and are written the same", "[wire]") {
  wire::Scenario scenario = Frozen();
  int messages = 0;
  ForEachAny(scenario, [&](pb::Any& any) {
    const AnyMessage message = Unpack(any);
    INFO(message->DebugString());
    ForEachMessage(*message, [](pb::Message& part) {
      CHECK(part.GetReflection()->GetUnknownFields(part).empty());
    });
    CHECK(Bytes(*message) == any.value());
    ++messages;
  });
  CHECK(messages > 100);
}

TEST_CASE("The text says what the recorded bytes say", "[wire]") {
  const wire::Scenario text = ReadText();
  const wire::Scenario frozen = Frozen();
  std::set<std::string> names;
  INFO(kHowToRecord);
  REQUIRE(text.exchange_size() == frozen.exchange_size());
  for (int i = 0; i < text.exchange_size(); ++i) {
    INFO(text.exchange(i).about());
    CHECK(Bytes(text.exchange(i)) == Bytes(frozen.exchange(i)));
    CHECK(names.insert(text.exchange(i).about()).second);
  }
  CHECK(Bytes(text) == Bytes(frozen));
}

TEST_CASE("Every method has a recorded exchange that succeeds", "[wire]") {
  const wire::Scenario scenario = Frozen();
  std::set<std::string> recorded;
  for (const wire::Exchange& exchange : scenario.exchange()) {
    if (!exchange.has_error()) recorded.insert("federity.v1." + exchange.method());
  }
  const auto methods = ApiMethods();
  CHECK(methods.size() >= 45);
  for (const pb::MethodDescriptor* method : methods) {
    INFO(method->full_name() << ": add an exchange to exchanges.textproto; " << kHowToRecord);
    CHECK(recorded.contains(method->full_name()));
  }
}

}  // namespace
}  // namespace federity::testing
