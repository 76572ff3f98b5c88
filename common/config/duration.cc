#include <cstdlib>

#include "absl/strings/numbers.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/config/strict_toml.h"

namespace federity::config {
namespace {

struct Unit {
  char letter;
  int64_t seconds;
};
constexpr Unit kUnits[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
// Far beyond any use, far below int64's limit in every unit.
constexpr size_t kMaxDigits = 9;

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  const auto refuse = [&] {
    return InvalidArgument("duration",
                           StrCat("\"", text.substr(0, 50), "\" is not a duration: write a whole ",
                                  "number and s, m, h or d, as in \"10m\""));
  };
  if (text.size() < 2 || text.size() > kMaxDigits + 1) return refuse();
  const std::string_view digits = text.substr(0, text.size() - 1);
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return refuse();
  int64_t count = 0;
  if (!absl::SimpleAtoi(ToAbsl(digits), &count)) return refuse();
  for (const Unit& unit : kUnits)
    if (text.back() == unit.letter) return absl::Seconds(count * unit.seconds);
  return refuse();
}

std::string FormatDuration(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  for (const Unit& unit : kUnits)
    if (seconds % unit.seconds == 0 && seconds != 0)
      return StrCat(seconds / unit.seconds, std::string(1, unit.letter));
  return "0s";
}

}  // namespace federity::config
