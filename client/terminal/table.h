#ifndef FEDERITY_CLIENT_TERMINAL_TABLE_H_
#define FEDERITY_CLIENT_TERMINAL_TABLE_H_

#include <string>
#include <utility>
#include <vector>

namespace federity::terminal {

enum class Align { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

// Rows under aligned columns, two spaces apart, made printable; no frame, no
// trailing spaces, so that it reads well and cuts well with standard tools.
// Thread-compatible.
//   Table table({{"MEMBER"}, {"ROWS", Align::kRight}});
//   table.Add({"St Luke", "120"});
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Missing cells are empty, surplus ones are dropped. An empty cell shows "-".
  void Add(std::vector<std::string> row);
  bool empty() const { return rows_.empty(); }

  // The title line and the rows.
  std::vector<std::string> Lines() const;
  // The same, each with its line feed.
  std::string ToString() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// "Name:   value" lines, for one thing with many properties.
class Properties {
 public:
  void Add(std::string name, const std::string& value);
  std::string ToString() const;

 private:
  std::vector<std::pair<std::string, std::string>> rows_;
};

}  // namespace federity::terminal

#endif  // FEDERITY_CLIENT_TERMINAL_TABLE_H_
