#include "client/agent/config.h"

#include <catch2/catch.hpp>

#include "client/agent/command_line.h"
#include "tests/unit/client/temp_dir.h"

namespace federity::agent {
namespace {

using testing::TempDir;

TEST_CASE("ParseBytes", "[agent]") {
  CHECK(*ParseBytes("0") == 0);
  CHECK(*ParseBytes("1024") == 1024);
  CHECK(*ParseBytes("4GiB") == int64_t{4} << 30);
  CHECK(*ParseBytes("1GB") == 1'000'000'000);
  for (const char* text :
       {"", "GiB", "-1", "4 GiB", "4gib", "1.5GiB", "99999999999999999999", "9999999999TiB"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseBytes(text).ok());
  }
}

TEST_CASE("LoadConfig is strict and names the key", "[agent]") {
  TempDir dir;
  const auto load = [&](const std::string& text) {
    return LoadConfig(dir.Write("agent.toml", text));
  };
  const auto config = load(
      "state_dir = \"/srv/agent\"\ncache_size = \"8GiB\"\n[trainer]\ncpus = 4\nmemory = "
      "\"2GiB\"\ndevice = \"cpu\"\n");
  REQUIRE(config.ok());
  CHECK(config->state_dir == "/srv/agent");
  CHECK(config->cache_bytes == int64_t{8} << 30);
  CHECK(config->cpus == 4);
  CHECK(config->memory_bytes == int64_t{2} << 30);
  CHECK(config->device == "cpu");
  for (const auto& [text, key] : std::vector<std::pair<std::string, std::string>>{
           {"state_dri = \"/srv\"", "state_dri"},
           {"cache_size = \"much\"", "cache_size"},
           {"[trainer]\ncpus = 0", "trainer.cpus"},
           {"[trainer]\ndevice = \"abacus\"", "trainer.device"}}) {
    CAPTURE(text);
    CHECK_THAT(std::string(load(text).status().message()), Catch::Contains(key));
  }
  CHECK(absl::IsNotFound(LoadConfig(dir / "missing.toml").status()));
}

TEST_CASE("The example configuration is the defaults", "[agent]") {
  const auto config =
      LoadConfig(std::filesystem::path(FEDERITY_GOLDEN_DIR) / "../../deploy/config/agent.toml");
  INFO(config.status());
  REQUIRE(config.ok());
  CHECK(config->cache_bytes == Config().cache_bytes);
  CHECK(config->cpus == Config().cpus);
  CHECK(config->device == Config().device);
  CHECK(config->log_level == Config().log_level);
}

Invocation Parse(std::vector<const char*> words) {
  words.insert(words.begin(), "federity-agent");
  auto parsed = ParseCommandLine(static_cast<int>(words.size()), words.data());
  REQUIRE(std::holds_alternative<Invocation>(parsed));
  return std::get<Invocation>(std::move(parsed));
}

TEST_CASE("The command line becomes a command and its arguments", "[agent]") {
  Invocation add = Parse({"dataset", "add", "patients.csv", "--repo", "o/r", "--label", "outcome",
                          "--state-dir", "/s"});
  CHECK(add.command == "dataset add");
  CHECK(add.state_dir == "/s");
  CHECK(add.arguments ==
        nlohmann::json{{"path", std::filesystem::absolute("patients.csv").string()},
                       {"repository", "o/r"},
                       {"label_column", "outcome"}});
  Invocation approve = Parse({"approve", "o/r", "--show", "--json", "--rounds", "5"});
  CHECK(approve.json);
  CHECK(approve.arguments == nlohmann::json{{"repository", "o/r"}, {"show", true}, {"rounds", 5}});
  CHECK(Parse({"--state-dir", "/s", "join", "-"}).arguments.at("link") == "-");
  CHECK(Parse({"status"}).arguments == nlohmann::json::object());
  CHECK(Parse({"leave", "o/r", "--withdraw"}).arguments.at("withdraw") == true);
}

TEST_CASE("A mistake on the command line ends with status 2, help with 0", "[agent]") {
  const auto status = [](std::vector<const char*> words) {
    words.insert(words.begin(), "federity-agent");
    return std::get<int>(ParseCommandLine(static_cast<int>(words.size()), words.data()));
  };
  CHECK(status({"--help"}) == 0);
  CHECK(status({"--version"}) == 0);
  CHECK(status({}) == 2);
  CHECK(status({"fly"}) == 2);
  CHECK(status({"join"}) == 2);
  CHECK(status({"approve", "o/r", "--rounds", "0"}) == 2);
}

}  // namespace
}  // namespace federity::agent
