#include "client/terminal/format.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace federity::terminal {
namespace {

TEST_CASE("Bytes", "[terminal]") {
  CHECK(FormatBytes(0) == "0 B");
  CHECK(FormatBytes(999) == "999 B");
  CHECK(FormatBytes(1000) == "1.0 kB");
  CHECK(FormatBytes(9960) == "10 kB");
  CHECK(FormatBytes(123'456) == "123 kB");
  CHECK(FormatBytes(999'600) == "1.0 MB");
  CHECK(FormatBytes(2'500'000'000) == "2.5 GB");
}

TEST_CASE("Elapsed time", "[terminal]") {
  CHECK(FormatElapsed(absl::Milliseconds(420)) == "0.4 s");
  CHECK(FormatElapsed(absl::Seconds(12)) == "12 s");
  CHECK(FormatElapsed(absl::Seconds(185)) == "3 min 05 s");
  CHECK(FormatElapsed(absl::Minutes(130)) == "2 h 10 min");
  CHECK(FormatElapsed(absl::Hours(99)) == "4 d 3 h");
  CHECK(FormatElapsed(absl::InfiniteDuration()) == "-");
}

TEST_CASE("Relative time", "[terminal]") {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  CHECK(FormatRelative(now, now) == "now");
  CHECK(FormatRelative(now - absl::Seconds(40), now) == "40 s ago");
  CHECK(FormatRelative(now - absl::Minutes(3), now) == "3 min ago");
  CHECK(FormatRelative(now - absl::Hours(50), now) == "2 d ago");
  CHECK(FormatRelative(now + absl::Minutes(3), now) == "in 3 min");
  CHECK(FormatRelative(absl::InfinitePast(), now) == "never");
}

TEST_CASE("Numbers that are none", "[terminal]") {
  CHECK(FormatPercent(0.9234) == "92.3 %");
  CHECK(FormatPercent(std::nan("")) == "-");
  CHECK(FormatNumber(std::nan("")) == "-");
}

TEST_CASE("An unset timestamp is no time", "[terminal]") {
  google::protobuf::Timestamp timestamp;
  CHECK(ToTime(timestamp) == absl::InfinitePast());
  CHECK(terminal::FormatTime(ToTime(timestamp)) == "-");
  timestamp.set_seconds(1'800'000'000);
  timestamp.set_nanos(500'000'000);
  CHECK(ToTime(timestamp) == absl::FromUnixSeconds(1'800'000'000) + absl::Milliseconds(500));
}

}  // namespace
}  // namespace federity::terminal
