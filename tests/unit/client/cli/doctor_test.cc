#include "client/cli/doctor.h"

#include <catch2/catch.hpp>
#include <map>

#include "tests/unit/client/cli/fake_federation.h"
#include "tests/unit/client/identity/fake_coordinator.h"

namespace federity::cli {
namespace {

using Catch::Matchers::Contains;
using State = Check::State;

nlohmann::json Find(const nlohmann::json& report, const std::string& name) {
  for (const auto& check : report["checks"]) {
    if (check["check"] == name) return check;
  }
  return {};
}

auto WorkingTrainer() {
  return [](const worker::v1::Request& request,
            const trainer::JobOptions& options) -> absl::StatusOr<worker::v1::Result> {
    REQUIRE(ParsePlan(request.check_data().plan_toml()).ok());
    worker::v1::Started started;
    started.add_layers("landlock: active, ABI 7");
    started.add_layers("network namespace: not active (no permission)");
    started.set_device("cpu");
    options.on_started(started);
    return worker::v1::Result();
  };
}

TEST_CASE("Clocks", "[cli]") {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  CHECK(CheckClock(now, now + absl::Seconds(3)).state == State::kOk);
  CHECK(CheckClock(now, now + absl::Seconds(30)).state == State::kNote);
  const Check ahead = CheckClock(now + absl::Hours(2), now);
  CHECK(ahead.state == State::kFailed);
  CHECK_THAT(ahead.detail, Contains("2 h 00 min ahead"));
  CHECK_THAT(CheckClock(now - absl::Hours(2), now).detail, Contains("behind"));
}

TEST_CASE("Versions are compared as numbers", "[cli]") {
  v1::ServerInfo info;
  info.set_version("0.10.0");
  CHECK(CheckVersion("0.1.0", info).state == State::kOk);
  info.set_min_client_version("0.9.0");
  CHECK(CheckVersion("0.10.0", info).state == State::kOk);
  CHECK(CheckVersion("0.8.9", info).state == State::kFailed);
  info.set_min_client_version("nonsense");
  CHECK(CheckVersion("0.1.0", info).state == State::kOk);
}

TEST_CASE("A good coordinator passes without a membership", "[cli]") {
  FakeFederation f;
  const identity::FakeCoordinator coordinator;
  f.run_job = WorkingTrainer();
  const std::string link = rpc::FormatJoinLink(coordinator.Link());
  const auto result = f.Run({"doctor", link, "--json"});
  INFO(result.out);
  CHECK(result.status == 0);
  const auto report = result.Json();
  CHECK(report["ok"] == true);
  for (const char* name : {"name", "port", "TLS", "authority", "names", "certificate", "trainer"}) {
    CHECK(Find(report, name)["result"] == "ok");
  }
  CHECK(Find(report, "sandbox")["detail"] == "landlock: active, ABI 7");
  CHECK_THAT(result.out, Contains("\"note\""));  // the layer that is not active
  // The link's secret is not in the report.
  CHECK_THAT(result.out, !Contains(link.substr(link.rfind('/'))));
}

TEST_CASE("An interceptor is found by its CA", "[cli]") {
  FakeFederation f;
  f.run_job = WorkingTrainer();
  const identity::FakeCoordinator interceptor;
  const identity::FakeCoordinator real;
  rpc::JoinLink link = interceptor.Link();
  link.ca_fingerprint = real.Link().ca_fingerprint;
  const auto result = f.Run({"doctor", rpc::FormatJoinLink(link), "--json"});
  CHECK(result.status == 1);
  const auto check = Find(result.Json(), "authority");
  CHECK(check["result"] == "failed");
  CHECK_THAT(check["detail"].get<std::string>(),
             Contains("intercepts") && Contains(link.ca_fingerprint.Hex()));
}

TEST_CASE("A certificate for another name fails by name", "[cli]") {
  FakeFederation f;
  f.run_job = WorkingTrainer();
  const identity::FakeCoordinator coordinator;
  std::string address = coordinator.address();
  address.replace(0, address.find(':'), "localhost");
  const auto result = f.Run({"doctor", address, "--json"});
  CHECK(result.status == 1);
  const auto check = Find(result.Json(), "names");
  CHECK(check["result"] == "failed");
  CHECK_THAT(check["detail"].get<std::string>(), Contains("127.0.0.1"));
  // Without a membership or a link nobody knows what the CA should be.
  CHECK(Find(result.Json(), "authority")["result"] == "note");
}

TEST_CASE("A port that nobody listens on, an address that is none", "[cli]") {
  FakeFederation f;
  f.run_job = WorkingTrainer();
  CHECK(Find(f.Run({"doctor", "127.0.0.1:1", "--json"}).Json(), "port")["result"] == "failed");
  CHECK(f.Run({"doctor", "no port here"}).status == 1);
}

TEST_CASE("Every address of a coordinator is looked at, and any good one signs in", "[cli]") {
  FakeFederation f;
  f.run_job = WorkingTrainer();
  const identity::FakeCoordinator coordinator;
  identity::Identity& member = f.store.identities[0];
  member.addresses = {"127.0.0.1:1", coordinator.address()};
  member.ca_fingerprint = coordinator.Link().ca_fingerprint.Hex();
  const auto ports = [](const nlohmann::json& report) {
    std::map<std::string, std::string> ports;
    for (const auto& check : report["checks"]) {
      if (check["check"] != "port") continue;
      ports[check["where"].get<std::string>()] = check["result"].get<std::string>();
    }
    return ports;
  };
  const auto all = f.Run({"doctor", "--json"});
  CHECK(all.status == 1);
  CHECK(ports(all.Json()) == std::map<std::string, std::string>{{"127.0.0.1:1", "failed"},
                                                                {coordinator.address(), "ok"}});
  CHECK(Find(all.Json(), "sign-in")["where"] == coordinator.address());
  // One by its name: known by the same membership.
  const auto one = f.Run({"doctor", coordinator.address(), "--json"});
  CHECK(ports(one.Json()).size() == 1);
  CHECK(Find(one.Json(), "authority")["result"] == "ok");
}

TEST_CASE("A trainer that does not start fails the check", "[cli]") {
  FakeFederation f;
  const auto result = f.Run({"doctor", "127.0.0.1:1", "--json"});
  CHECK(result.status == 1);
  CHECK(Find(result.Json(), "trainer")["detail"] == "no trainer here");
}

}  // namespace
}  // namespace federity::cli
