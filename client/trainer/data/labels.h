#ifndef FEDERITY_CLIENT_TRAINER_DATA_LABELS_H_
#define FEDERITY_CLIENT_TRAINER_DATA_LABELS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/plan/plan.h"

namespace federity::trainer {

// A finite decimal number with a dot, surrounded by blanks at most.
std::optional<double> ParseNumber(std::string_view text);

// Empty, NA, N/A, NaN, null or a single dot or question mark, in any case.
bool IsMissing(std::string_view text);

// What a plan makes of a label: the index of a class, or the number itself
// where the plan has no classes. Thread-safe once made.
class LabelMap {
 public:
  explicit LabelMap(const Plan& plan);
  // A class by its text, or by a number equal to the class's ("1.0" is "1").
  std::optional<double> FromText(std::string_view text) const;
  // IDX files number their classes from 0, in the plan's order.
  std::optional<double> FromIndex(int64_t index) const;
  // What a label may be, for messages.
  std::string Expected() const;

 private:
  std::vector<std::string> classes_;
  std::map<std::string, int64_t, std::less<>> by_text_;
  std::map<double, int64_t> by_number_;
};

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_DATA_LABELS_H_
