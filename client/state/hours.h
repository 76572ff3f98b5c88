#ifndef FEDERITY_CLIENT_STATE_HOURS_H_
#define FEDERITY_CLIENT_STATE_HOURS_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace federity::state {

// A daily window in local time, "20:00-06:00": from the first minute to before
// the last, over midnight if the end comes first. A regular value type.
struct Hours {
  int begin_minute = 0;  // of the day
  int end_minute = 0;

  bool Contains(absl::Time time, absl::TimeZone zone) const;
  friend bool operator==(const Hours&, const Hours&) = default;
};

// INVALID_ARGUMENT that shows the form; begin and end must differ.
absl::StatusOr<Hours> ParseHours(std::string_view text);
std::string FormatHours(const Hours& hours);

}  // namespace federity::state

#endif  // FEDERITY_CLIENT_STATE_HOURS_H_
