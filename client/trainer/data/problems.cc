#include "client/trainer/data/problems.h"

#include <algorithm>

#include "client/trainer/failure.h"
#include "common/base/strings.h"

namespace federity::trainer {
namespace {

constexpr size_t kShown = 3;
constexpr size_t kMaxColumnName = 64;

// Names come from the file: printable, and short.
std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxColumnName)) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    out.push_back(control ? '?' : c);
  }
  if (text.size() > kMaxColumnName) out += "...";
  return out;
}

std::string ToString(const Problem& problem) {
  std::string out;
  if (problem.row > 0) absl::StrAppend(&out, "row ", problem.row, ", ");
  if (!problem.column.empty()) absl::StrAppend(&out, problem.column, ": ");
  return StrCat(out, problem.message);
}

}  // namespace

void Problems::Add(int64_t row, std::string_view column, std::string_view message) {
  if (full()) return;
  list_.push_back({.row = row, .column = Printable(column), .message = std::string(message)});
}

absl::Status Problems::ToStatus() const {
  if (list_.empty()) return absl::OkStatus();
  std::string message = "the data does not meet the plan: ";
  for (size_t i = 0; i < std::min(list_.size(), kShown); ++i) {
    absl::StrAppend(&message, i > 0 ? "; " : "", ToString(list_[i]));
  }
  if (list_.size() > kShown) absl::StrAppend(&message, "; and more");
  return Failure(kDataInvalid, StrCat(message, " (`dataset check` lists them)"));
}

}  // namespace federity::trainer
