// Clocks that are off.

#include <catch2/catch.hpp>
#include <string>

#include "tests/survival/disturbed.h"

namespace federity::survival {

using testing::Faults;

TEST_CASE("A workstation whose clock is two hours off takes part", "[survival]") {
  const auto off = GENERATE(7200, -7200);
  Disturbed disturbed(UndisturbedDigests(1));
  Faults faults("federity-agent");
  faults.SetClock(off);
  disturbed.agent(0).Stop();
  disturbed.Round([&] {
    disturbed.agent(0).Start(faults.environment());
    disturbed.StartRound();
  });
}

TEST_CASE("A coordinator whose clock is two hours off goes on", "[survival]") {
  const auto off = GENERATE(7200, -7200);
  Disturbed disturbed(UndisturbedDigests(1));
  Faults faults("federity-server");
  faults.SetClock(off);
  disturbed.coordinator().Stop();
  disturbed.Round([&] {
    disturbed.coordinator().Start(faults.environment());
    disturbed.StartRound();
  });
}

}  // namespace federity::survival
