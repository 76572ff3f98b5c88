// Two coordinators behind HAProxy, as deploy/replicas shows it. balancer.sh runs it.

#include <arpa/inet.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

#include "common/base/files.h"
#include "tests/e2e/federation.h"

namespace federity::e2e {
namespace {

constexpr auto kRepository = Hospitals::kRepository;

// A port that is free now.
std::string FreePort() {
  const FileDescriptor probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(probe.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return std::to_string(ntohs(address.sin_port));
}

std::string OnLoopback(const testing::ServerProcess& server) {
  return "127.0.0.1" + server.address().substr(server.address().rfind(':'));
}

}  // namespace

TEST_CASE("Two coordinators behind HAProxy are one, whichever of them dies") {
  const char* const haproxy = std::getenv("FEDERITY_HAPROXY");
  REQUIRE(haproxy != nullptr);
  Federation federation;
  testing::ServerProcess& a = federation.coordinator();
  testing::ServerProcess b({.replica_of = &a});
  const std::string port = FreePort();
  std::string config = ReadText(std::string(FEDERITY_SOURCE_DIR) + "/deploy/replicas/haproxy.cfg");
  config = Edited(config, "192.0.2.11:8443", OnLoopback(a));
  config = Edited(config, "192.0.2.12:8443", OnLoopback(b));
  config = Edited(config, "bind :::8443 v4v6", "bind 127.0.0.1:" + port);
  const std::filesystem::path file = federation.directory() / "haproxy.cfg";
  WriteText(file, config);
  for (testing::ServerProcess* server : {&a, &b}) {
    CHECK(server->Stop() == 0);
    server->SetPublic({"localhost:" + port});
    server->Start();
  }
  const char* const libraries = std::getenv("LD_LIBRARY_PATH");
  const testing::Daemon balancer(
      {.argv = {haproxy, "-db", "-f", file.string()},
       .environment = {{"LD_LIBRARY_PATH", libraries == nullptr ? "" : libraries}}},
      federation.directory() / "haproxy.log");
  Prefer(federation.home("owner"), {"localhost:" + port});
  INFO(balancer.log());

  federation.CreateRepository(kRepository, DemoFile("models/wdbc.pt"),
                              ReadText(DemoFile("plan-wdbc.toml")));
  int hospital = 0;
  for (const std::string& rows : DealBreastCancer(3)) {
    federation.AddTableAgent(kRepository, "Hospital " + std::to_string(++hospital), rows);
  }
  federation.Do("owner", {"stats", "run", kRepository});
  CHECK(federation.RunRounds(kRepository, 1).at("state") == "COMMITTED");
  a.Kill();
  CHECK(federation.RunRounds(kRepository, 1).at("state") == "COMMITTED");
  a.Start();
  b.Kill();
  CHECK(federation.RunRounds(kRepository, 1).at("state") == "COMMITTED");
  CHECK(federation.Json("owner", {"log", kRepository}).at("commits").size() == 4);
}

}  // namespace federity::e2e
