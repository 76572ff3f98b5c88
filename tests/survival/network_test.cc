// Networks that break off, swallow bytes or are slow.

#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "tests/survival/disturbed.h"
#include "tests/testing/tcp_proxy.h"

namespace federity::survival {
namespace {

constexpr auto kRepository = e2e::Hospitals::kRepository;
using testing::TcpProxy;

// A coordinator that everybody reaches through the network.
testing::ServerProcess::Options Behind(TcpProxy& network) {
  return {.arguments = {"--public", "localhost:" + std::to_string(network.port())},
          .on_serving = [&network](int port) { network.SetTarget(port); }};
}

}  // namespace

TEST_CASE("A network that breaks every connection off delays a round", "[survival]") {
  TcpProxy network;
  Disturbed disturbed(UndisturbedDigests(3), Behind(network));
  // A handshake and the model need some 4 kB of the client's, an update 10.
  for (const int64_t lifetime : {6'000, 9'000, 14'000}) {
    const int64_t before = network.connections();
    disturbed.Round([&] {
      network.SetLifetime(lifetime);
      disturbed.StartRound();
      Await("connections that broke off", [&] {
        disturbed.federation().Try("owner", {"log", kRepository});
        return network.connections() > before + 12;
      });
      network.SetLifetime(0);
    });
  }
}

TEST_CASE("A network that swallows everything delays a round", "[survival]") {
  TcpProxy network;
  Disturbed disturbed(UndisturbedDigests(1), Behind(network));
  disturbed.Round([&] {
    disturbed.StartRound();
    network.SetSilent(true);
    const e2e::Finished blind = disturbed.federation().Try("owner", {"log", kRepository});
    CHECK(blind.status != 0);  // a deadline, not a wait for ever
    network.SetSilent(false);
  });
}

TEST_CASE("A slow network delays a round", "[survival]") {
  TcpProxy network;
  Disturbed disturbed(UndisturbedDigests(1), Behind(network));
  network.SetDelay(std::chrono::milliseconds(50));
  disturbed.Round([&] { disturbed.StartRound(); });
}

}  // namespace federity::survival
