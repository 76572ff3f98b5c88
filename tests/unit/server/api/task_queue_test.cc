#include "server/api/task_queue.h"

#include <catch2/catch.hpp>
#include <vector>

#include "absl/synchronization/notification.h"

namespace federity::api {
namespace {

constexpr absl::Duration kFar = absl::Hours(1);

TEST_CASE("Tasks run, those with a delay after those without", "[api]") {
  TaskQueue queue(1);
  std::vector<int> order;
  absl::Notification done;
  queue.Post(
      [&] {
        order.push_back(2);
        done.Notify();
      },
      absl::Milliseconds(20));
  queue.Post([&] { order.push_back(1); });
  REQUIRE(done.WaitForNotificationWithTimeout(absl::Minutes(1)));
  CHECK(order == std::vector<int>{1, 2});
}

TEST_CASE("A delayed task wakes threads that wait for none or for a later one", "[api]") {
  TaskQueue queue(2);
  for (int i = 0; i < 3; ++i) {
    queue.Post([] {}, kFar);
    absl::Notification done;
    queue.Post([&] { done.Notify(); }, absl::Milliseconds(5));
    REQUIRE(done.WaitForNotificationWithTimeout(absl::Minutes(1)));
  }
}

TEST_CASE("A task may post another", "[api]") {
  TaskQueue queue(1);
  absl::Notification done;
  queue.Post([&] { queue.Post([&] { done.Notify(); }); });
  CHECK(done.WaitForNotificationWithTimeout(absl::Minutes(1)));
}

TEST_CASE("Stop drops what has not run", "[api]") {
  TaskQueue queue(1);
  bool ran = false;
  queue.Post([&] { ran = true; }, kFar);
  queue.Stop();
  queue.Post([&] { ran = true; });
  CHECK_FALSE(ran);
}

}  // namespace
}  // namespace federity::api
