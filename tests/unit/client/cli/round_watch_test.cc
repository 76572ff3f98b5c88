#include "client/cli/round_watch.h"

#include <catch2/catch.hpp>

#include "tests/unit/client/cli/fake_federation.h"

namespace federity::cli {
namespace {

using Catch::Matchers::Contains;

v1::Round Make(int number, v1::Round::State state, int accepted = 0) {
  v1::Round round;
  round.set_name(StrCat(kRepository, "/rounds/", number));
  round.set_state(state);
  round.set_series_count(2);
  round.set_series_index(number);
  for (const int count : {3 - accepted, 0, 0, accepted, 0, 0}) round.add_contribution_counts(count);
  return round;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("Watching follows the series and ends with its last state", "[cli]") {
  FakeFederation f;
  f.services.watches = {{{Make(1, v1::Round::TRAINING), Make(1, v1::Round::COMMITTED, 3),
                          Make(2, v1::Round::TRAINING), Make(2, v1::Round::COMMITTED, 3)},
                         absl::OkStatus()}};
  const auto result = f.Run({"round", "watch", "st-mary/heart", "1"});
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK_THAT(result.out,
             Contains("round 1 (1 of 2): COMMITTED") && Contains("round 2 (2 of 2): COMMITTED"));
}

TEST_CASE("A round that does not commit is status 1 with the reason", "[cli]") {
  FakeFederation f;
  v1::Round failed = Make(1, v1::Round::FAILED);
  failed.set_failure("1 of 3 contributions by the deadline");
  f.services.watches = {{{Make(1, v1::Round::TRAINING), failed}, absl::OkStatus()}};
  const auto result = f.Run({"round", "watch", "st-mary/heart"});
  CHECK(result.status == 1);
  CHECK_THAT(result.out, Contains("FAILED: 1 of 3 contributions by the deadline"));
  CHECK(f.services.watched.front() == StrCat(kRepository, "/rounds/latest"));
}

TEST_CASE("Watching passes over states of a later version and ends with the round", "[cli]") {
  FakeFederation f;
  const auto later = static_cast<v1::Round::State>(99);
  v1::Round ended = Make(1, later);
  ended.mutable_end_time()->set_seconds(1'800'000'000);
  f.services.watches = {{{Make(1, later), ended}, absl::OkStatus()}};
  const auto result = f.Run({"round", "watch", "st-mary/heart"});
  CHECK(result.status == 1);
  CHECK_THAT(result.out, Contains("unknown (99)"));
  CHECK(f.services.watched.size() == 1);
}

TEST_CASE("A broken stream is opened again at the round that it was in", "[cli]") {
  FakeFederation f;
  f.services.watches = {{{Make(1, v1::Round::COMMITTED, 3), Make(2, v1::Round::RECRUITING)},
                         absl::UnavailableError("restart")},
                        {{}, absl::OkStatus()},          // drained at once
                        {{}, absl::CancelledError("")},  // drained a little later
                        {{Make(2, v1::Round::COMMITTED, 3)}, absl::OkStatus()}};
  const auto result = f.Run({"round", "watch", "st-mary/heart"});
  CHECK(result.status == 0);
  CHECK(result.err == "connection lost; trying again\nconnected again\n");
  REQUIRE(f.services.watched.size() == 4);
  CHECK(f.services.watched[1] == StrCat(kRepository, "/rounds/2"));
  CHECK(f.services.watched[2] == StrCat(kRepository, "/rounds/2"));
}

TEST_CASE("A round that does not exist is an error at once", "[cli]") {
  FakeFederation f;
  CHECK(f.Run({"round", "watch", "st-mary/heart", "9"}).status == 1);
  CHECK(f.services.watched.size() == 1);
  CHECK(f.Run({"round", "watch", "st-mary/heart", "x"}).status == 1);
  CHECK(f.services.watched.size() == 1);
}

TEST_CASE("With --json every message is one line", "[cli]") {
  FakeFederation f;
  f.services.watches = {{{Make(1, v1::Round::TRAINING), Make(1, v1::Round::TRAINING),
                          Make(1, v1::Round::COMMITTED, 3)},
                         absl::OkStatus()}};
  const auto result = f.Run({"round", "watch", "st-mary/heart", "--json"});
  const auto lines = Lines(result.out);
  REQUIRE(lines.size() == 3);
  const auto last = nlohmann::json::parse(lines.back());
  CHECK(last["state"] == "COMMITTED");
  CHECK(last["accepted"] == 3);
}

TEST_CASE("round start --watch starts and watches", "[cli]") {
  FakeFederation f;
  f.services.watches = {{{Make(1, v1::Round::COMMITTED, 3)}, absl::OkStatus()}};
  CHECK(f.Run({"round", "start", "st-mary/heart", "--watch"}).status == 0);
  CHECK(f.services.watched == std::vector<std::string>{StrCat(kRepository, "/rounds/1")});
}

}  // namespace
}  // namespace federity::cli
