#include "client/agent/control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>

#include "absl/synchronization/notification.h"
#include "tests/unit/client/temp_dir.h"

namespace federity::agent {
namespace {

using nlohmann::json;
using testing::TempDir;

absl::StatusOr<json> Echo(std::string_view command, const json& arguments) {
  if (command == "fail") return absl::NotFoundError("nothing is there");
  return json{{"command", command}, {"arguments", arguments}};
}

// A client that sends whatever it likes.
class RawClient {
 public:
  explicit RawClient(const std::filesystem::path& path)
      : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.string().size() < sizeof address.sun_path);
    std::strcpy(address.sun_path, path.c_str());
    REQUIRE(connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
  }
  void Send(std::string_view bytes) {
    send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  void CloseWriting() { shutdown(socket_.get(), SHUT_WR); }
  // Everything until the server closes.
  std::string Receive() {
    std::string all;
    char block[4096];
    for (ssize_t n; (n = recv(socket_.get(), block, sizeof block, 0)) > 0;)
      all.append(block, static_cast<size_t>(n));
    return all;
  }

 private:
  FileDescriptor socket_;
};

std::string Frame(const std::string& text) {
  const auto size = static_cast<uint32_t>(text.size());
  return std::string{static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                     static_cast<char>(size >> 8), static_cast<char>(size)} +
         text;
}

TEST_CASE("The control socket carries commands, results and errors", "[agent]") {
  TempDir dir;
  const state::Paths paths{dir.path()};
  CHECK_FALSE(CallDaemon(paths, "status", json::object()).has_value());
  CHECK_FALSE(CallDaemon({dir / "missing"}, "status", json::object()).has_value());
  {
    auto server = ControlServer::Start(paths, Echo);
    REQUIRE(server.ok());
    struct stat info {};
    REQUIRE(stat(paths.socket().c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    const auto result = CallDaemon(paths, "pause", {{"repository", "o/r"}});
    REQUIRE(result.has_value());
    CHECK(**result == json{{"command", "pause"}, {"arguments", {{"repository", "o/r"}}}});
    const auto error = CallDaemon(paths, "fail", json::object());
    CHECK(absl::IsNotFound(error->status()));
    CHECK(error->status().message() == "nothing is there");
  }
  CHECK_FALSE(CallDaemon(paths, "status", json::object()).has_value());
}

TEST_CASE("The control socket works below a long path and over a stale socket", "[agent]") {
  TempDir dir;
  const state::Paths paths{dir / std::string(150, 'x')};
  std::filesystem::create_directories(paths.directory);
  std::ofstream(paths.socket()) << "stale";
  auto server = ControlServer::Start(paths, Echo);
  REQUIRE(server.ok());
  CHECK(CallDaemon(paths, "status", json::object())->ok());
}

TEST_CASE("The control socket survives garbage", "[agent]") {
  TempDir dir;
  const state::Paths paths{dir.path()};
  auto server = ControlServer::Start(paths, Echo);
  REQUIRE(server.ok());
  const std::string garbage = GENERATE(
      std::string("\xff\xff\xff\xff"), std::string("\x00\x01\x00\x01", 4), Frame("not json"),
      Frame("[1,2]"), Frame(R"({"command": 5})"), Frame(R"({"arguments": "x"})"), Frame(""),
      Frame(std::string(60'000, '[')), Frame(std::string("\xff\xfe\x00", 3)),
      std::string("\x00\x00\x01", 3), Frame("{\"command\": \"status\"").substr(0, 10));
  RawClient client(paths.socket());
  client.Send(garbage);
  client.CloseWriting();
  CHECK_THAT(client.Receive(), Catch::Contains("error") || Catch::Equals(""));
  CHECK(CallDaemon(paths, "status", json::object())->ok());
}

TEST_CASE("A request beyond the limit is refused by its length alone", "[agent]") {
  TempDir dir;
  const state::Paths paths{dir.path()};
  auto server = ControlServer::Start(paths, Echo);
  REQUIRE(server.ok());
  const auto result =
      CallDaemon(paths, "status", {{"text", std::string(kMaxControlRequest + 1, 'x')}});
  REQUIRE(result.has_value());
  CHECK_FALSE(result->ok());
}

TEST_CASE("Only so many commands run at once; the others are told", "[agent]") {
  TempDir dir;
  const state::Paths paths{dir.path()};
  absl::Notification release;
  absl::Mutex mutex;
  size_t running = 0;
  auto server = ControlServer::Start(paths, [&](std::string_view, const json&) {
    {
      absl::MutexLock lock(&mutex);
      ++running;
    }
    release.WaitForNotification();
    return absl::StatusOr<json>(json::object());
  });
  REQUIRE(server.ok());
  // Catch2's assertions belong to one thread: these count instead.
  std::atomic<size_t> served = 0;
  std::vector<std::thread> clients;
  for (size_t i = 0; i < ControlServer::kMaxConnections; ++i)
    clients.emplace_back([&] { served += CallDaemon(paths, "status", json::object())->ok(); });
  {
    absl::MutexLock lock(&mutex);
    const auto all = [&] { return running == ControlServer::kMaxConnections; };
    REQUIRE(mutex.AwaitWithTimeout(absl::Condition(&all), absl::Seconds(20)));
  }
  CHECK(absl::IsResourceExhausted(CallDaemon(paths, "status", json::object())->status()));
  release.Notify();
  for (std::thread& client : clients) client.join();
  CHECK(served == ControlServer::kMaxConnections);
}

}  // namespace
}  // namespace federity::agent
