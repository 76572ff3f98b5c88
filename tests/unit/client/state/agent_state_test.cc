#include "client/state/agent_state.h"

#include <catch2/catch.hpp>

#include "tests/unit/client/temp_dir.h"

namespace federity::state {
namespace {

using testing::ReadAll;
using testing::TempDir;

Membership Full() {
  Membership membership;
  membership.id = "id-1";
  membership.repository = "organizations/o/repositories/r";
  membership.paused = true;
  membership.plan_digest = "sha256:aa";
  membership.standardisation_digest = "sha256:bb";
  membership.approval =
      Approval{.plan_digest = "sha256:aa",
               .program_digest = "sha256:cc",
               .plan_toml = "[data]\nlabel = \"é\"\n",
               .time = absl::FromUnixMillis(1'700'000'000'123),
               .limits = {.rounds = 5,
                          .expires = absl::FromUnixSeconds(1'800'000'000),
                          .hours = Hours{20 * 60, 6 * 60},
                          .cpus = 2,
                          .memory_bytes = int64_t{4} << 30},
               .rounds_used = 3,
               .last_counted = "organizations/o/repositories/r/rounds/1/contributions/c"};
  Dataset dataset;
  dataset.label = "dataset-1";
  dataset.source = {.format = "csv", .path = "/data/a.csv", .label_column = "outcome"};
  dataset.schema = {"age", "outcome"};
  dataset.rows = 341;
  dataset.fingerprint = {.digest = "sha256:dd", .stamp = "ee"};
  dataset.time = absl::FromUnixSeconds(1'700'000'000);
  dataset.changed = true;
  membership.datasets = {dataset};
  return membership;
}

TEST_CASE("AgentState keeps every field over a restart", "[state]") {
  TempDir dir;
  auto state = AgentState::Open(dir / "state.json");
  REQUIRE(state.ok());
  CHECK((*state)->Memberships().empty());
  REQUIRE((*state)
              ->Update("id-1",
                       [](Membership& membership) {
                         membership = Full();
                         return absl::OkStatus();
                       })
              .ok());
  REQUIRE((*state)->SetPaused(true).ok());

  auto again = AgentState::Open(dir / "state.json");
  REQUIRE(again.ok());
  CHECK((*again)->Get("id-1") == Full());
  CHECK((*again)->paused());
  REQUIRE((*again)->Remove("id-1").ok());
  CHECK((*AgentState::Open(dir / "state.json"))->Memberships().empty());
}

TEST_CASE("AgentState: a failed change changes nothing", "[state]") {
  TempDir dir;
  auto state = *AgentState::Open(dir / "state.json");
  int notified = 0;
  state->OnChange([&] { ++notified; });
  REQUIRE(state
              ->Update("id-1",
                       [](Membership& membership) {
                         membership = Full();
                         return absl::OkStatus();
                       })
              .ok());
  const std::string before = ReadAll(dir / "state.json");
  CHECK(absl::IsAborted(state->Update("id-1", [](Membership& membership) {
    membership.paused = false;
    membership.datasets.clear();
    return absl::AbortedError("no");
  })));
  CHECK(state->Get("id-1") == Full());
  CHECK(ReadAll(dir / "state.json") == before);
  CHECK(notified == 1);
}

TEST_CASE("AgentState names a damaged file and the remedy", "[state]") {
  TempDir dir;
  const std::string text = GENERATE(
      std::string(), std::string("{"), std::string("[]"), std::string("\xff\xfe"),
      std::string(R"({"memberships": []})"), std::string(R"({"format": 2, "memberships": []})"),
      std::string(R"({"format": 1, "memberships": {}})"),
      std::string(R"({"format": 1, "memberships": [1]})"),
      std::string(R"({"format": 1, "memberships": [{"repository": "x"}]})"),
      std::string(R"({"format": 1, "memberships": [{"id": "a", "paused": "yes"}]})"),
      std::string(R"({"format": 1, "memberships": [{"id": "a", "approval": {"time": "now"}}]})"),
      std::string(R"({"format": 1, "memberships": [{"id": "a", "datasets": [{"schema": [1]}]}]})"));
  dir.Write("state.json", text);
  const auto state = AgentState::Open(dir / "state.json");
  REQUIRE(absl::IsDataLoss(state.status()));
  const std::string message(state.status().message());
  CHECK_THAT(message, Catch::Contains((dir / "state.json").string()));
  CHECK_THAT(message, Catch::Contains("put back a copy of it, or move it away"));
}

TEST_CASE("AgentState survives deeply nested hostile JSON", "[state]") {
  TempDir dir;
  dir.Write("state.json", std::string(1'000'000, '['));
  CHECK(absl::IsDataLoss(AgentState::Open(dir / "state.json").status()));
}

}  // namespace
}  // namespace federity::state
