#include "client/terminal/table.h"

#include <catch2/catch.hpp>

namespace federity::terminal {
namespace {

TEST_CASE("Columns line up by display width", "[terminal]") {
  Table table({{"ORGANISATION"}, {"ROWS", Align::kRight}, {"CITY"}});
  table.Add({"St Luke", "120", "Zürich"});
  table.Add({"東京大学", "7", "東京"});
  CHECK(table.ToString() ==
        "ORGANISATION  ROWS  CITY\n"
        "St Luke        120  Zürich\n"
        "東京大学         7  東京\n");
}

TEST_CASE("Rows are completed and cut to the columns", "[terminal]") {
  Table table({{"A"}, {"B"}});
  table.Add({"1"});
  table.Add({"1", "2", "3"});
  CHECK(table.ToString() == "A  B\n1  -\n1  2\n");
}

TEST_CASE("A cell can't break out of its row", "[terminal]") {
  Table table({{"NAME"}});
  table.Add({"evil\n\x1b[31mFAKE"});
  REQUIRE(table.Lines().size() == 2);
  CHECK(table.Lines()[1].find('\x1b') == std::string::npos);
}

TEST_CASE("Properties line up their values", "[terminal]") {
  Properties lines;
  lines.Add("Role", "owner");
  lines.Add("Organisation", "St Luke");
  CHECK(lines.ToString() == "Role:          owner\nOrganisation:  St Luke\n");
}

}  // namespace
}  // namespace federity::terminal
