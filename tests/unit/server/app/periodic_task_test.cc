#include "server/app/periodic_task.h"

#include <atomic>
#include <catch2/catch.hpp>

#include "absl/synchronization/notification.h"

namespace federity::app {
namespace {

TEST_CASE("A periodic task runs again and again, also after an error", "[app]") {
  std::atomic<int> runs = 0;
  absl::Notification third;
  PeriodicTask task("test", absl::Milliseconds(1), [&]() -> absl::Status {
    if (++runs == 3) third.Notify();
    return absl::InternalError("again");
  });
  CHECK(third.WaitForNotificationWithTimeout(absl::Seconds(30)));
}

TEST_CASE("A periodic task that is not due yet ends at once", "[app]") {
  std::atomic<int> runs = 0;
  {
    PeriodicTask task("test", absl::Hours(1), [&] {
      ++runs;
      return absl::OkStatus();
    });
  }
  CHECK(runs == 0);
}

TEST_CASE("The end of a periodic task waits for its turn", "[app]") {
  absl::Notification began;
  std::atomic<bool> ended = false;
  {
    PeriodicTask task("test", absl::Milliseconds(1), [&] {
      if (!began.HasBeenNotified()) began.Notify();
      ended = true;
      return absl::OkStatus();
    });
    REQUIRE(began.WaitForNotificationWithTimeout(absl::Seconds(30)));
  }
  CHECK(ended);
}

}  // namespace
}  // namespace federity::app
