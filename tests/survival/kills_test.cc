// SIGKILL of coordinator, agent and database, at each step that makes a change
// last and at random moments.

#include <signal.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tests/survival/disturbed.h"

namespace federity::survival {
namespace {

using testing::Faults;

constexpr size_t kSample = 4;

// Tries the moments and prints what came of them.
template <typename Kill>
void KillAtEach(const std::vector<Faults::Moment>& moments, const char* who, const Kill& kill) {
  size_t died = 0;
  for (const Faults::Moment& moment : moments) {
    INFO(who << " killed " << Describe(moment));
    const bool came = kill(moment);
    died += came ? 1 : 0;
    std::printf("%s %s %s\n", who, came ? "killed" : "did not come to", Describe(moment).c_str());
    std::fflush(stdout);
  }
  std::printf("%s: %zu of %zu moments came\n", who, died, moments.size());
  CHECK(2 * died > moments.size());
}

}  // namespace

TEST_CASE("A coordinator that is killed at any step loses and repeats nothing", "[survival][chaos]") {
  Effort effort = Effort::FromEnvironment();
  std::vector<Faults::Moment> moments;
  {
    Disturbed calibration(UndisturbedDigests(1));
    moments = effort.Choose(Moments(calibration.CoordinatorSteps()), kSample);
  }
  REQUIRE(moments.size() >= kSample);
  Disturbed disturbed(UndisturbedDigests(moments.size()));
  KillAtEach(moments, "coordinator",
             [&](const Faults::Moment& moment) { return disturbed.KillCoordinator(moment); });
}

TEST_CASE("An agent that is killed at any step loses and repeats nothing", "[survival]") {
  Effort effort = Effort::FromEnvironment();
  std::vector<Faults::Moment> moments;
  {
    Disturbed calibration(UndisturbedDigests(1));
    moments = effort.Choose(Moments(calibration.AgentSteps()), kSample);
  }
  REQUIRE(moments.size() >= kSample);
  Disturbed disturbed(UndisturbedDigests(moments.size()));
  KillAtEach(moments, "agent",
             [&](const Faults::Moment& moment) { return disturbed.KillAgent(moment); });
}

}  // namespace federity::survival
