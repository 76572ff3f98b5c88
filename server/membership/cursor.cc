#include "server/membership/cursor.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/strings.h"
#include "server/membership/conversions.h"

namespace federity::membership {

std::string FormatCursor(const TimeCursor& cursor) {
  return StrCat(absl::ToUnixMicros(cursor.created_at), ",", cursor.id);
}

absl::StatusOr<TimeCursor> ParseCursor(std::string_view text) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(ToAbsl(text), absl::MaxSplits(',', 1));
  int64_t micros = 0;
  if (!absl::SimpleAtoi(parts.first, &micros) || !IsUuid(parts.second)) {
    return absl::InternalError("a cursor of ours does not parse");
  }
  return TimeCursor{absl::FromUnixMicros(micros), parts.second};
}

}  // namespace federity::membership
