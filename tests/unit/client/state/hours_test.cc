#include "client/state/hours.h"

#include <catch2/catch.hpp>

namespace federity::state {
namespace {

bool Contains(const char* window, int hour, int minute, absl::TimeZone zone = absl::UTCTimeZone()) {
  const auto hours = ParseHours(window);
  REQUIRE(hours.ok());
  return hours->Contains(absl::FromCivil(absl::CivilMinute(2026, 11, 24, hour, minute), zone),
                         zone);
}

TEST_CASE("Hours over midnight: both sides of it, ends exact", "[state]") {
  CHECK_FALSE(Contains("20:00-06:00", 19, 59));
  CHECK(Contains("20:00-06:00", 20, 0));
  CHECK(Contains("20:00-06:00", 23, 59));
  CHECK(Contains("20:00-06:00", 0, 0));
  CHECK(Contains("20:00-06:00", 5, 59));
  CHECK_FALSE(Contains("20:00-06:00", 6, 0));
  CHECK_FALSE(Contains("20:00-06:00", 12, 0));
}

TEST_CASE("Hours within a day", "[state]") {
  CHECK_FALSE(Contains("08:30-17:15", 8, 29));
  CHECK(Contains("08:30-17:15", 8, 30));
  CHECK(Contains("08:30-17:15", 17, 14));
  CHECK_FALSE(Contains("08:30-17:15", 17, 15));
  CHECK(Contains("00:00-23:59", 0, 0));
  CHECK_FALSE(Contains("00:00-23:59", 23, 59));
}

TEST_CASE("Hours are local", "[state]") {
  const absl::TimeZone zone = absl::FixedTimeZone(5 * 3600);
  CHECK(Contains("20:00-06:00", 21, 0, zone));
  const auto noon_utc =
      absl::FromCivil(absl::CivilMinute(2026, 11, 24, 16, 0), absl::UTCTimeZone());
  CHECK(ParseHours("20:00-06:00")->Contains(noon_utc, zone));  // 21:00 there
}

TEST_CASE("ParseHours takes one form only", "[state]") {
  CHECK(FormatHours(*ParseHours("07:05-23:00")) == "07:05-23:00");
  for (const char* text : {"", "20-06", "20:00", "20:00-20:00", "24:00-06:00", "20:60-06:00",
                           "20:00–06:00", " 20:00-06:00", "20:00-06:0a", "2o:00-06:00"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseHours(text).ok());
  }
}

}  // namespace
}  // namespace federity::state
