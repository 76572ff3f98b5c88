#include "server/app/config.h"

#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "common/base/errors.h"
#include "common/base/files.h"

namespace federity::app {
namespace {

constexpr const char* kDocumented = FEDERITY_GOLDEN_DIR "/../../deploy/config/server.toml";

TEST_CASE("Host and port are read as people write them", "[app]") {
  CHECK(ParseHostPort("example.org:8443")->ToString() == "example.org:8443");
  CHECK(ParseHostPort("[::]:8443")->host == "::");
  CHECK(ParseHostPort("[2001:db8::1]:1")->ToString() == "[2001:db8::1]:1");
  CHECK(ParseHostPort("host", 7)->port == 7);
  CHECK(ParseHostPort("[::1]", 7)->ToString() == "[::1]:7");
}

TEST_CASE("What is no host and port is refused", "[app]") {
  for (const char* text :
       {"", ":", ":1", "host", "host:", "host:x", "host:-1", "host:65536", "host:1:2", "::1",
        "[::1", "[]:1", "[::1]x", "a b:1", "http://x:1", "host/:1", "host:99999999999999999999"}) {
    INFO(text);
    CHECK(absl::IsInvalidArgument(ParseHostPort(text).status()));
  }
}

TEST_CASE("The documented configuration is good and holds the defaults", "[app]") {
  const auto text = ReadFile(kDocumented, 1 << 20);
  REQUIRE(text.ok());
  auto config = ParseServerConfig(*text);
  INFO(config.status());
  REQUIRE(config.ok());
  REQUIRE(CompleteServerConfig(*config).ok());
  const ServerConfig defaults;
  CHECK(config->listen == defaults.listen);
  CHECK(config->max_connections == defaults.max_connections);
  CHECK(config->max_upload_bytes == defaults.max_upload_bytes);
  CHECK(config->max_message_bytes == defaults.max_message_bytes);
  CHECK(config->memory_bytes == defaults.memory_bytes);
  CHECK(config->drain == defaults.drain);
  CHECK(config->log_level == defaults.log_level);
  CHECK(config->key_file == "/var/lib/federity.key");
  CHECK(config->blob_directory == "/var/lib/federity/blobs");
}

TEST_CASE("Every documented key is known, also those commented out", "[app]") {
  auto text = *ReadFile(kDocumented, 1 << 20);
  for (const char* key : {"public", "key_file", "url", "directory"}) {
    const std::string commented = std::string("\n# ") + key + " = ";
    const size_t at = text.find(commented);
    INFO(key);
    REQUIRE(at != std::string::npos);
    text.replace(at, 3, "\n");
  }
  const auto config = ParseServerConfig(text);
  INFO(config.status());
  REQUIRE(config.ok());
  CHECK(config->public_addresses == std::vector<std::string>{"federity.example.org:8443"});
  CHECK(config->database_url == "host=db.internal dbname=federity user=federity");
  CHECK(config->blob_directory == "/srv/federity-blobs");
}

TEST_CASE("The replicas' example is a good configuration", "[app]") {
  const auto text = *ReadFile(FEDERITY_GOLDEN_DIR "/../../deploy/replicas/server.toml", 1 << 20);
  auto config = ParseServerConfig(text);
  INFO(config.status());
  REQUIRE(config.ok());
  CHECK(CompleteServerConfig(*config).ok());
  CHECK_FALSE(config->database_url.empty());
}

TEST_CASE("Replicas have several public addresses", "[app]") {
  const auto config = ParseServerConfig("public = [\"a.example:8443\", \"[::2]:8443\"]");
  INFO(config.status());
  REQUIRE(config.ok());
  CHECK(config->public_addresses == std::vector<std::string>{"a.example:8443", "[::2]:8443"});
  CHECK(absl::IsInvalidArgument(ParseServerConfig("public = [1]").status()));
  CHECK(absl::IsInvalidArgument(ParseServerConfig("public = 1").status()));
}

TEST_CASE("Errors in the configuration name the key", "[app]") {
  const auto key_of = [](const char* text) {
    const absl::Status status = ParseServerConfig(text).status();
    CHECK(absl::IsInvalidArgument(status));
    return MetadataOf(status)["key"];
  };
  CHECK(key_of("lisen = \"x\"") == "lisen");
  CHECK(key_of("[database]\nmax_connections = 1") == "database.max_connections");
  CHECK(key_of("[database]\nmax_connections = \"8\"") == "database.max_connections");
  CHECK(key_of("[log]\nlevel = \"loud\"") == "log.level");
  CHECK(key_of("drain = \"0s\"") == "drain");
  CHECK(absl::IsInvalidArgument(ParseServerConfig("data_dir = ").status()));
}

TEST_CASE("Completion refuses what can't work", "[app]") {
  ServerConfig config;
  CHECK(absl::StrContains(CompleteServerConfig(config).message(), "--data-dir"));
  config.data_directory = "data/";
  config.listen = "8443";
  CHECK(absl::StrContains(CompleteServerConfig(config).message(), "listen"));
  config.listen = "[::]:0";
  config.public_addresses = {"a.example:8443", "https://x"};
  CHECK(absl::StrContains(CompleteServerConfig(config).message(), "public"));
  config.public_addresses.assign(17, "x");
  CHECK(absl::StrContains(CompleteServerConfig(config).message(), "17"));
  config.public_addresses = {"x", "y:8443"};
  CHECK(CompleteServerConfig(config).ok());
  CHECK(config.data_directory.is_absolute());
  CHECK(config.key_file == config.data_directory.string() + ".key");
  CHECK(absl::EndsWith(config.key_file.string(), "/data.key"));
}

}  // namespace
}  // namespace federity::app
