#include "client/trainer/data/labels.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/str_join.h"
#include "common/base/strings.h"

namespace federity::trainer {
namespace {

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool EqualsIgnoreCase(std::string_view a, std::string_view lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

}  // namespace

std::optional<double> ParseNumber(std::string_view text) {
  text = Trim(text);
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

bool IsMissing(std::string_view text) {
  text = Trim(text);
  if (text.empty() || text == "." || text == "?") return true;
  for (const std::string_view word : {"na", "n/a", "nan", "null"}) {
    if (EqualsIgnoreCase(text, word)) return true;
  }
  return false;
}

LabelMap::LabelMap(const Plan& plan) : classes_(plan.data.classes) {
  for (size_t i = 0; i < classes_.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    by_text_.emplace(classes_[i], index);
    if (const auto number = ParseNumber(classes_[i])) by_number_.emplace(*number, index);
  }
}

std::optional<double> LabelMap::FromText(std::string_view text) const {
  text = Trim(text);
  const std::optional<double> number = ParseNumber(text);
  if (classes_.empty()) return number;
  if (const auto found = by_text_.find(text); found != by_text_.end()) {
    return static_cast<double>(found->second);
  }
  if (number) {
    if (const auto found = by_number_.find(*number); found != by_number_.end()) {
      return static_cast<double>(found->second);
    }
  }
  return std::nullopt;
}

std::optional<double> LabelMap::FromIndex(int64_t index) const {
  const auto value = static_cast<double>(index);
  if (classes_.empty()) return value;
  if (index < 0 || index >= static_cast<int64_t>(classes_.size())) return std::nullopt;
  return value;
}

std::string LabelMap::Expected() const {
  if (classes_.empty()) return "a number";
  std::string list = absl::StrJoin(classes_, ", ");
  if (list.size() > 200) list = StrCat(list.substr(0, 200), "...");
  return StrCat("one of ", list);
}

}  // namespace federity::trainer
