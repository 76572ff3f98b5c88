#include "client/terminal/format.h"

#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace federity::terminal {
namespace {

// The two largest units of a duration of at least a minute.
std::string TwoUnits(int64_t seconds) {
  if (seconds < 3600) return absl::StrFormat("%d min %02d s", seconds / 60, seconds % 60);
  if (seconds < 86400) {
    return absl::StrFormat("%d h %02d min", seconds / 3600, seconds % 3600 / 60);
  }
  return absl::StrFormat("%d d %d h", seconds / 86400, seconds % 86400 / 3600);
}

// The largest unit alone.
std::string OneUnit(int64_t seconds) {
  if (seconds < 60) return absl::StrCat(seconds, " s");
  if (seconds < 3600) return absl::StrCat(seconds / 60, " min");
  if (seconds < 86400) return absl::StrCat(seconds / 3600, " h");
  return absl::StrCat(seconds / 86400, " d");
}

}  // namespace

std::string FormatBytes(int64_t bytes) {
  if (bytes < 1000) return absl::StrCat(bytes, " B");
  constexpr std::array kUnits = {"kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (value /= 1000; value >= 999.5 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return value < 9.95 ? absl::StrFormat("%.1f %s", value, kUnits[unit])
                      : absl::StrFormat("%.0f %s", value, kUnits[unit]);
}

std::string FormatElapsed(absl::Duration duration) {
  if (duration < absl::Seconds(10)) {
    return absl::StrFormat("%.1f s", absl::ToDoubleSeconds(duration));
  }
  if (duration == absl::InfiniteDuration()) return "-";
  const int64_t seconds = absl::ToInt64Seconds(duration);
  return seconds < 60 ? absl::StrCat(seconds, " s") : TwoUnits(seconds);
}

std::string FormatTime(absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M", time, absl::LocalTimeZone());
}

std::string FormatRelative(absl::Time time, absl::Time now) {
  if (time == absl::InfinitePast()) return "never";
  const int64_t seconds = absl::ToInt64Seconds(now - time);
  if (seconds < -4) return absl::StrCat("in ", OneUnit(-seconds));
  return seconds < 5 ? "now" : absl::StrCat(OneUnit(seconds), " ago");
}

std::string FormatPercent(double fraction) {
  return std::isnan(fraction) ? "-" : absl::StrFormat("%.1f %%", 100 * fraction);
}

std::string FormatNumber(double value) {
  return std::isnan(value) ? "-" : absl::StrFormat("%.4f", value);
}

absl::Time ToTime(const google::protobuf::Timestamp& timestamp) {
  if (timestamp.seconds() == 0 && timestamp.nanos() == 0) return absl::InfinitePast();
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

}  // namespace federity::terminal
