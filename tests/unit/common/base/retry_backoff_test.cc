#include "common/base/retry_backoff.h"

#include <catch2/catch.hpp>

namespace federity {
namespace {

TEST_CASE("Delays double up to the maximum, each within its upper half", "[base]") {
  Backoff backoff(absl::Seconds(1), absl::Seconds(30), 7);
  for (const int64_t seconds : {1, 2, 4, 8, 16, 30, 30, 30}) {
    const absl::Duration delay = backoff.Next();
    CHECK(delay >= absl::Seconds(seconds) / 2);
    CHECK(delay <= absl::Seconds(seconds));
  }
  backoff.Reset();
  CHECK(backoff.Next() <= absl::Seconds(1));
}

TEST_CASE("Delays repeat for a seed and differ between seeds", "[base]") {
  Backoff a(absl::Seconds(1), absl::Seconds(30), 1);
  Backoff b(absl::Seconds(1), absl::Seconds(30), 1);
  Backoff c(absl::Seconds(1), absl::Seconds(30), 2);
  const absl::Duration first = a.Next();
  CHECK(first == b.Next());
  CHECK(first != c.Next());
}

}  // namespace
}  // namespace federity
