// Disks that are full, can't be written, or lose bytes.

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/survival/disturbed.h"

namespace federity::survival {
namespace {

namespace fs = std::filesystem;
using testing::Faults;

constexpr auto kRepository = e2e::Hospitals::kRepository;

// Turns the bits of the byte in the middle of each file below `folder` that `chosen`
// takes; the same again mends them. How many there were.
template <typename Chosen>
int FlipBytes(const fs::path& folder, const Chosen& chosen) {
  int flipped = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.file_size() == 0 || !chosen(entry.path())) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(entry.file_size() / 2);
    file.seekg(middle);
    const char byte = static_cast<char>(~file.get());
    file.seekp(middle);
    file.put(byte);
    REQUIRE(file.flush());
    ++flipped;
  }
  return flipped;
}

}  // namespace

TEST_CASE("A workstation's disk that fails costs its round, nobody else's", "[survival]") {
  const auto set = GENERATE(&Faults::SetFull, &Faults::SetReadOnly);
  e2e::Hospitals hospitals(e2e::Edited(e2e::ReadText(e2e::DemoFile("plan-wdbc.toml")),
                                       "min_contributions = 3", "min_contributions = 2"));
  e2e::Agent& agent = *hospitals.agents[0];
  Faults faults("federity-agent");
  agent.Stop();
  agent.Start(faults.environment());
  hospitals.federation.AwaitOnline(kRepository, agent);

  (faults.*set)(true);
  const auto without = hospitals.federation.RunRounds(kRepository, 1);
  CHECK(without.at("state") == "COMMITTED");
  CHECK(without.at("accepted") == 2);
  const std::string status = agent.Do({"status"});
  CHECK_THAT(status, Catch::Contains(set == &Faults::SetFull ? "No space left on device"
                                                             : "Read-only file system"));

  (faults.*set)(false);
  const auto with = hospitals.federation.RunRounds(kRepository, 1);
  CHECK(with.at("state") == "COMMITTED");
  CHECK(with.at("accepted") == 3);
}

TEST_CASE("A coordinator's disk that fails delays a round", "[survival][chaos]") {
  const auto set = GENERATE(&Faults::SetFull, &Faults::SetReadOnly);
  Disturbed disturbed(UndisturbedDigests(1));
  Faults faults("federity-server");
  disturbed.coordinator().Stop();
  disturbed.coordinator().Start(faults.environment());
  (faults.*set)(true);
  disturbed.Round([&] {
    disturbed.StartRound();
    Await("the workstation says why",
          [&] { return disturbed.agent(0).Do({"status"}).find("disk") != std::string::npos; });
    (faults.*set)(false);
  });
}

TEST_CASE("A blob that the disk damaged fails the round, and the model stays", "[survival]") {
  e2e::Hospitals hospitals;
  e2e::Federation& federation = hospitals.federation;
  const std::string before = federation.Head(kRepository).at("weights_digest");
  const fs::path blobs = federation.coordinator().data_directory() / "blobs";
  const auto every = [](const fs::path&) { return true; };
  REQUIRE(FlipBytes(blobs, every) > 0);

  const auto pull = federation.Try(
      "owner", {"pull", kRepository, "--output", (federation.directory() / "pulled.pt").string()});
  CHECK(pull.status != 0);
  CHECK_THAT(pull.err, Catch::Contains("damaged"));
  const auto failed = federation.RunRounds(kRepository, 1);
  CHECK(failed.at("state") == "FAILED");
  CHECK(federation.Head(kRepository).at("weights_digest") == before);

  FlipBytes(blobs, every);
  CHECK(federation.RunRounds(kRepository, 1).at("state") == "COMMITTED");
}

TEST_CASE("An update that the disk damaged is found and trained again", "[survival]") {
  Disturbed disturbed(UndisturbedDigests(1));
  e2e::Agent& agent = disturbed.agent(0);
  Faults faults("federity-agent");
  agent.Stop();
  faults.KillAt({.step = "rename to #/record.json", .count = 1, .after = true});
  disturbed.Round([&] {
    agent.Start(faults.environment());
    disturbed.StartRound();
    Await("the agent's end", [&] { return !agent.Running(); });
    const int flipped = FlipBytes(agent.state() / "outbox", [](const fs::path& file) {
      return file.filename() == "delta.safetensors";
    });
    REQUIRE(flipped == 1);
  });
  CHECK_THAT(agent.Do({"log"}), Catch::Contains("damaged"));
}

}  // namespace federity::survival
