#include "server/repositories/rows.h"

#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/strings.h"

namespace federity::repositories {

std::vector<double> ParseReals(std::string_view text) {
  std::vector<double> values;
  for (absl::string_view part : absl::StrSplit(ToAbsl(text), ',', absl::SkipEmpty())) {
    double value = 0;
    (void)absl::SimpleAtod(part, &value);
    values.push_back(value);
  }
  return values;
}

std::vector<int64_t> ParseIntegers(std::string_view text) {
  std::vector<int64_t> values;
  for (absl::string_view part : absl::StrSplit(ToAbsl(text), ',', absl::SkipEmpty())) {
    int64_t value = 0;
    (void)absl::SimpleAtoi(part, &value);
    values.push_back(value);
  }
  return values;
}

std::string FormatReals(const std::vector<double>& values) {
  return StrCat("{",
                absl::StrJoin(values, ",",
                              [](std::string* out, double value) {
                                char text[32];
                                std::snprintf(text, sizeof text, "%.17g", value);
                                out->append(text);
                              }),
                "}");
}

}  // namespace federity::repositories
