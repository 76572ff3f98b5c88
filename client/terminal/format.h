#ifndef FEDERITY_CLIENT_TERMINAL_FORMAT_H_
#define FEDERITY_CLIENT_TERMINAL_FORMAT_H_

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace federity::terminal {

// How figures stand on screen.

// "0 B", "999 B", "1.2 kB", "35 MB": powers of 1000, two significant digits or
// more.
std::string FormatBytes(int64_t bytes);
// "0.4 s", "12 s", "3 min 05 s", "2 h 10 min", "4 d 3 h".
std::string FormatElapsed(absl::Duration duration);
// "2026-11-24 05:00" in the machine's time zone; "-" for an infinite time.
std::string FormatTime(absl::Time time);
// "now", "40 s ago", "3 min ago", "2 h ago", "5 d ago"; "in 3 min"; "never" for
// an infinite past.
std::string FormatRelative(absl::Time time, absl::Time now);
// "92.3 %".
std::string FormatPercent(double fraction);
// Four decimals; "-" for NaN.
std::string FormatNumber(double value);

// An unset timestamp (zero) is absl::InfinitePast().
absl::Time ToTime(const google::protobuf::Timestamp& timestamp);

}  // namespace federity::terminal

#endif  // FEDERITY_CLIENT_TERMINAL_FORMAT_H_
