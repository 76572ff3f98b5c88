#include "client/terminal/table.h"

#include <algorithm>

#include "client/terminal/text.h"
#include "common/base/strings.h"

namespace federity::terminal {
namespace {

std::string Spaces(int count) { return std::string(static_cast<size_t>(std::max(count, 0)), ' '); }

}  // namespace

void Table::Add(std::vector<std::string> row) {
  row.resize(columns_.size());
  for (std::string& cell : row) cell = cell.empty() ? "-" : Printable(cell);
  rows_.push_back(std::move(row));
}

std::vector<std::string> Table::Lines() const {
  std::vector<int> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    int width = DisplayWidth(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[c]));
    widths.push_back(width);
  }
  const auto line = [&](auto cell) {
    std::string out;
    for (size_t c = 0; c < columns_.size(); ++c) {
      const std::string& text = cell(c);
      const std::string fill = Spaces(widths[c] - DisplayWidth(text));
      out += columns_[c].align == Align::kLeft ? text + fill : fill + text;
      out += "  ";
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
  };
  std::vector<std::string> lines;
  lines.push_back(line([&](size_t c) -> const std::string& { return columns_[c].title; }));
  for (const auto& row : rows_) {
    lines.push_back(line([&](size_t c) -> const std::string& { return row[c]; }));
  }
  return lines;
}

std::string Table::ToString() const {
  std::string text;
  for (const std::string& line : Lines()) text += line + "\n";
  return text;
}

void Properties::Add(std::string name, const std::string& value) {
  rows_.emplace_back(std::move(name), Printable(value));
}

std::string Properties::ToString() const {
  int width = 0;
  for (const auto& row : rows_) width = std::max(width, DisplayWidth(row.first));
  std::string text;
  for (const auto& [name, value] : rows_) {
    text += StrCat(name, ":", Spaces(width - DisplayWidth(name) + 2), value, "\n");
  }
  return text;
}

}  // namespace federity::terminal
