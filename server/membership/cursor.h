#ifndef FEDERITY_SERVER_MEMBERSHIP_CURSOR_H_
#define FEDERITY_SERVER_MEMBERSHIP_CURSOR_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace federity::membership {

// Where a list in order of time goes on: after this row. A plain value; as text
// it is what a page token holds.
struct TimeCursor {
  absl::Time created_at;
  std::string id;  // UUID
};

std::string FormatCursor(const TimeCursor& cursor);
// INTERNAL if it is not one of ours: page tokens are authenticated.
absl::StatusOr<TimeCursor> ParseCursor(std::string_view text);

}  // namespace federity::membership

#endif  // FEDERITY_SERVER_MEMBERSHIP_CURSOR_H_
