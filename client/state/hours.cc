#include "client/state/hours.h"

#include <optional>

#include "absl/strings/str_format.h"
#include "common/base/errors.h"
#include "common/base/strings.h"

namespace federity::state {
namespace {

// "HH:MM" → minute of the day.
std::optional<int> ParseMinute(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  for (const size_t i : {0, 1, 3, 4})
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
  const int hour = (text[0] - '0') * 10 + (text[1] - '0');
  const int minute = (text[3] - '0') * 10 + (text[4] - '0');
  if (hour > 23 || minute > 59) return std::nullopt;
  return hour * 60 + minute;
}

}  // namespace

bool Hours::Contains(absl::Time time, absl::TimeZone zone) const {
  const absl::CivilMinute local = absl::ToCivilMinute(time, zone);
  const int minute = local.hour() * 60 + local.minute();
  if (begin_minute < end_minute) return begin_minute <= minute && minute < end_minute;
  return minute >= begin_minute || minute < end_minute;
}

absl::StatusOr<Hours> ParseHours(std::string_view text) {
  if (text.size() == 11 && text[5] == '-') {
    const auto begin = ParseMinute(text.substr(0, 5));
    const auto end = ParseMinute(text.substr(6));
    if (begin && end && *begin != *end) return Hours{*begin, *end};
  }
  return InvalidArgument("hours", StrCat("'", text.substr(0, 100),
                                         "' is not a window of local time; write 20:00-06:00"));
}

std::string FormatHours(const Hours& hours) {
  return absl::StrFormat("%02d:%02d-%02d:%02d", hours.begin_minute / 60, hours.begin_minute % 60,
                         hours.end_minute / 60, hours.end_minute % 60);
}

}  // namespace federity::state
