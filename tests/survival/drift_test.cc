// Many rounds in one process leave nothing behind.

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "tests/survival/disturbed.h"

namespace federity::survival {
namespace {

namespace fs = std::filesystem;

constexpr auto kRepository = e2e::Hospitals::kRepository;
constexpr int64_t kMib = 1 << 20;

int64_t Entries(const fs::path& folder) {
  int64_t count = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    count += entry.exists() ? 1 : 0;
  }
  return count;
}

// What a process holds, and the files that it should not keep.
struct Footprint {
  int64_t resident_bytes = 0;
  int64_t threads = 0;
  int64_t descriptors = 0;
  int64_t temporary_files = 0;
};

Footprint FootprintOf(pid_t pid, const std::vector<fs::path>& temporary) {
  const fs::path process = "/proc/" + std::to_string(pid);
  Footprint footprint;
  int64_t mapped = 0, resident = 0;
  std::ifstream(process / "statm") >> mapped >> resident;
  footprint.resident_bytes = resident * sysconf(_SC_PAGESIZE);
  footprint.threads = Entries(process / "task");
  footprint.descriptors = Entries(process / "fd");
  for (const fs::path& folder : temporary) {
    if (fs::exists(folder)) footprint.temporary_files += Entries(folder);
  }
  return footprint;
}

// The least of some looks: a call that has just ended may still hold a thread.
Footprint Settled(e2e::Federation& federation, const std::function<Footprint()>& look) {
  Footprint least = look();
  for (int i = 0; i < 10; ++i) {
    federation.Head(kRepository);
    const Footprint now = look();
    least.resident_bytes = std::min(least.resident_bytes, now.resident_bytes);
    least.threads = std::min(least.threads, now.threads);
    least.descriptors = std::min(least.descriptors, now.descriptors);
    least.temporary_files = std::min(least.temporary_files, now.temporary_files);
  }
  return least;
}

void Print(const char* who, const Footprint& early, const Footprint& late) {
  std::printf("%s: %.1f -> %.1f MiB, %ld -> %ld threads, %ld -> %ld descriptors\n", who,
              static_cast<double>(early.resident_bytes) / kMib,
              static_cast<double>(late.resident_bytes) / kMib, early.threads, late.threads,
              early.descriptors, late.descriptors);
  std::fflush(stdout);
}

}  // namespace

TEST_CASE("Rounds leave no memory, threads, descriptors or files behind", "[survival]") {
  const Effort effort = Effort::FromEnvironment();
  const int warm = effort.all ? 60 : 5;
  const int more = effort.all ? 200 : 10;
  e2e::Hospitals hospitals;
  e2e::Federation& federation = hospitals.federation;
  e2e::Agent& agent = *hospitals.agents[0];
  const auto coordinator = [&] { return FootprintOf(federation.coordinator().pid(), {}); };
  const auto workstation = [&] {
    return FootprintOf(agent.pid(), {agent.state() / "work", agent.state() / "outbox"});
  };

  REQUIRE(federation.RunRounds(kRepository, warm).at("state") == "COMMITTED");
  const Footprint coordinator_early = Settled(federation, coordinator);
  const Footprint agent_early = Settled(federation, workstation);
  REQUIRE(federation.RunRounds(kRepository, more).at("state") == "COMMITTED");
  const Footprint coordinator_late = Settled(federation, coordinator);
  const Footprint agent_late = Settled(federation, workstation);
  Print("coordinator", coordinator_early, coordinator_late);
  Print("agent", agent_early, agent_late);

  // gRPC's pools grow to what the rounds' bursts need.
  constexpr int64_t kPool = 4;
  for (const auto& [early, late] : {std::pair(coordinator_early, coordinator_late),
                                    std::pair(agent_early, agent_late)}) {
    CHECK(late.threads <= early.threads + kPool);
    CHECK(late.descriptors <= early.descriptors + kPool);
    CHECK(late.temporary_files <= early.temporary_files);
    if (effort.all) CHECK(late.resident_bytes <= early.resident_bytes + kMib);
  }
}

}  // namespace federity::survival
