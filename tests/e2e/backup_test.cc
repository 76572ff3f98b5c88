// What an operator does to a whole coordinator: backup, restore, a new key file.

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/e2e/federation.h"

namespace federity::e2e {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ServerProcess;

constexpr auto kRepository = Hospitals::kRepository;

Finished Server(std::vector<std::string> arguments, const fs::path& data) {
  arguments.insert(arguments.end(), {"--data-dir", data.string()});
  return ServerProcess::Run(std::move(arguments));
}

void MustServer(std::vector<std::string> arguments, const fs::path& data) {
  const Finished finished = Server(std::move(arguments), data);
  INFO(finished.out << finished.err);
  REQUIRE(finished.status == 0);
}

fs::path KeyOf(const fs::path& data) { return data.string() + ".key"; }

// A data directory gone with its key, as after a fire.
void Burn(const fs::path& data) {
  fs::remove_all(data);
  fs::remove(KeyOf(data));
}


void FlipByte(const fs::path& file, std::streamoff at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(at);
  char byte = 0;
  stream.get(byte);
  stream.seekp(at);
  stream.put(static_cast<char>(byte ^ 1));
}

}  // namespace

TEST_CASE("A coordinator comes back from a backup that was made while a round ran", "[e2e]") {
  Hospitals hospitals({.embedded_database = true});
  Federation& federation = hospitals.federation;
  ServerProcess& coordinator = federation.coordinator();
  const fs::path data = coordinator.data_directory();
  const fs::path backup = federation.directory() / "backup";
  CHECK(federation.RunRounds(kRepository, 1).at("state") == "COMMITTED");
  const json head = federation.Head(kRepository);

  // A round that can't go on alone: its agents are away.
  for (Agent* agent : hospitals.agents) CHECK(agent->Stop() == 0);
  federation.Do("owner", {"round", "start", kRepository});
  MustServer({"backup", "--to", backup.string()}, data);
  CHECK((fs::status(backup).permissions() & fs::perms::others_all) == fs::perms::none);
  CHECK_FALSE(fs::exists(backup / "data.key"));

  // What came after the backup is gone; the rest is there.
  federation.Do("owner", {"tag", kRepository, "lost"});
  const std::string key = ReadText(KeyOf(data));
  CHECK(coordinator.Stop() == 0);
  Burn(data);
  const Finished without_key = Server({"restore", "--from", backup.string()}, data);
  CHECK(without_key.status == 1);
  CHECK(without_key.err.find("key file") != std::string::npos);
  CHECK_FALSE(fs::exists(data));

  WriteText(KeyOf(data), key);
  fs::permissions(KeyOf(data), fs::perms::owner_read | fs::perms::owner_write);
  MustServer({"restore", "--from", backup.string()}, data);
  coordinator.Start();
  for (Agent* agent : hospitals.agents) {
    agent->Start();
    federation.AwaitOnline(kRepository, *agent);
  }
  CHECK(federation.Head(kRepository).at("weights_digest") == head.at("weights_digest"));
  CHECK(federation.Json("owner", {"log", kRepository}).at("commits")[0].at("tags").empty());
  const json round = federation.Json("owner", {"round", "list", kRepository}).at("rounds")[0];
  CHECK(round.at("state") == "FAILED");
  CHECK(round.at("failure_reason") == "COORDINATOR_RESTORED");
  CHECK(federation.RunRounds(kRepository, 1).at("state") == "COMMITTED");
  CHECK(federation.Json("owner", {"log", kRepository}).at("commits").size() == 3);
  CHECK(federation.coordinator().Stop() == 0);

  // Not over what is there.
  const Finished over = Server({"restore", "--from", backup.string()}, data);
  CHECK(over.status == 1);
  CHECK(over.err.find("not empty") != std::string::npos);
  const Finished again = Server({"backup", "--to", backup.string()}, data);
  CHECK(again.status == 1);
  CHECK(again.err.find("exists") != std::string::npos);
}

TEST_CASE("A damaged backup, a foreign key file and half a restore are refused", "[e2e]") {
  ServerProcess coordinator({.embedded_database = true});
  const testing::TemporaryFolder folder;
  const fs::path backup = folder.path() / "backup";
  CHECK(coordinator.Stop() == 0);
  MustServer({"backup", "--to", backup.string() + "/"}, coordinator.data_directory());

  const fs::path data = folder.path() / "data";
  const std::string key = ReadText(KeyOf(coordinator.data_directory()));
  const auto place_key = [&](const std::string& text) {
    WriteText(KeyOf(data), text);
    fs::permissions(KeyOf(data), fs::perms::owner_read | fs::perms::owner_write);
  };
  const auto refused = [&](const std::string& says) {
    const Finished finished = Server({"restore", "--from", backup.string()}, data);
    INFO(finished.err);
    CHECK(finished.status == 1);
    CHECK(finished.err.find(says) != std::string::npos);
    CHECK_FALSE(fs::exists(data));
  };
  place_key(std::string(32, 'k'));
  refused("not the one that this backup needs");
  place_key(key);
  FlipByte(backup / "database.dump", 100);
  refused("changed or damaged");
  FlipByte(backup / "database.dump", 100);
  const std::string manifest = ReadText(backup / "manifest.json");
  WriteText(backup / "manifest.json", Edited(manifest, "federity-backup-1", "federity-backup-9"));
  refused("format");
  WriteText(backup / "manifest.json", manifest.substr(0, manifest.size() / 2));
  refused("manifest.json");
  fs::remove(backup / "manifest.json");
  refused("no finished backup");
  WriteText(backup / "manifest.json", manifest);

  // As a restore that was killed leaves it.
  fs::create_directory(data);
  WriteText(data / "restoring", backup.string());
  const Finished run = Server({"run", "--listen", "127.0.0.1:0"}, data);
  CHECK(run.status == 1);
  CHECK(run.err.find("interrupted") != std::string::npos);
  fs::remove_all(data);
  MustServer({"restore", "--from", backup.string()}, data);
  CHECK_FALSE(fs::exists(data / "restoring"));
}

TEST_CASE("A new key file opens everything and the old one nothing", "[e2e]") {
  Hospitals hospitals({.embedded_database = true});
  Federation& federation = hospitals.federation;
  ServerProcess& coordinator = federation.coordinator();
  const fs::path data = coordinator.data_directory();
  const std::string before = ReadText(KeyOf(data));
  const Finished running = Server({"key", "rotate"}, data);
  CHECK(running.status == 1);
  CHECK(running.err.find("process") != std::string::npos);
  CHECK(ReadText(KeyOf(data)) == before);

  CHECK(coordinator.Stop() == 0);
  MustServer({"key", "rotate"}, data);
  const std::string after = ReadText(KeyOf(data));
  CHECK(after != before);
  CHECK(after.size() == 32);
  // The model is read with keys that the new file opens.
  coordinator.Start();
  CHECK(federation.RunRounds(kRepository, 1).at("state") == "COMMITTED");
  CHECK(coordinator.Stop() == 0);

  const auto place = [&](const fs::path& file, const std::string& text) {
    WriteText(file, text);
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  };
  // The old one is refused.
  place(KeyOf(data), before);
  const Finished old = Server({"run", "--listen", "127.0.0.1:0"}, data);
  CHECK(old.status == 1);
  // Killed after the database was sealed: the next start ends the change.
  place(KeyOf(data).string() + ".new", after);
  coordinator.Start();
  CHECK(ReadText(KeyOf(data)) == after);
  CHECK_FALSE(fs::exists(KeyOf(data).string() + ".new"));
  CHECK(coordinator.Stop() == 0);
  // Killed before: the file that opens nothing goes.
  place(KeyOf(data).string() + ".new", std::string(32, 'n'));
  coordinator.Start();
  CHECK(ReadText(KeyOf(data)) == after);
  CHECK_FALSE(fs::exists(KeyOf(data).string() + ".new"));
}

}  // namespace federity::e2e
