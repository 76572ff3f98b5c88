#include "client/terminal/text.h"

#include <catch2/catch.hpp>
#include <string>

namespace federity::terminal {
namespace {

TEST_CASE("Printable keeps letters of every script", "[terminal]") {
  for (const std::string text :
       {"St Luke", "Universitätsklinikum Zürich", "東京大学", "Ηράκλειο"}) {
    CHECK(Printable(text) == text);
  }
}

TEST_CASE("Printable lets nothing through that steers a terminal", "[terminal]") {
  // Escape sequences, the 8-bit CSI, carriage return, DEL, a right-to-left
  // override, a zero-width space.
  for (const std::string hostile : {"\x1b[2J",
                                    "\xC2\x9B"
                                    "31m",
                                    "a\rb", "\x7f",
                                    "\xE2\x80\xAE"
                                    "cod",
                                    "\xE2\x80\x8B"}) {
    const std::string shown = Printable(hostile);
    INFO(shown);
    CHECK(shown.find("\xEF\xBF\xBD") != std::string::npos);
    CHECK(shown.find('\x1b') == std::string::npos);
    CHECK(shown.find('\r') == std::string::npos);
    CHECK(shown.find("\xC2\x9B") == std::string::npos);
    CHECK(shown.find("\xE2\x80\xAE") == std::string::npos);
  }
  CHECK(Printable(std::string("a\0b", 3)) ==
        "a\xEF\xBF\xBD"
        "b");
  CHECK(Printable("two\nlines\tand a tab") == "two lines and a tab");
}

TEST_CASE("Printable replaces broken UTF-8 byte by byte", "[terminal]") {
  const std::string mark = "\xEF\xBF\xBD";
  CHECK(Printable("\xFF") == mark);
  CHECK(Printable("\xC3") == mark);                        // cut short
  CHECK(Printable("\xC0\xAF") == mark + mark);             // overlong
  CHECK(Printable("\xED\xA0\x80") == mark + mark + mark);  // surrogate
  CHECK(Printable("\xF5\x80\x80\x80") == mark + mark + mark + mark);
  CHECK(Printable("a\xC3(") == "a" + mark + "(");
}

TEST_CASE("Width counts columns, not bytes", "[terminal]") {
  CHECK(DisplayWidth("") == 0);
  CHECK(DisplayWidth("abc") == 3);
  CHECK(DisplayWidth("Zürich") == 6);
  CHECK(DisplayWidth("e\xCC\x81") == 1);  // e and a combining acute accent
  CHECK(DisplayWidth("東京") == 4);
  CHECK(DisplayWidth("한국") == 4);
  CHECK(DisplayWidth("\xFF\xFE") == 2);
}

TEST_CASE("Resource names are shown as people write them", "[terminal]") {
  CHECK(ShortNames("organizations/o/repositories/r-1/rounds/latest is not organizations/p") ==
        "o/r-1/rounds/latest is not p");
  CHECK(ShortNames("o/r") == "o/r");
  CHECK(ShortNames("") == "");
  CHECK(ShortNames("organizations/") == "");
  CHECK(ShortNames("organizations/O/repositories/r") == "O/repositories/r");
}

TEST_CASE("Truncate cuts between characters", "[terminal]") {
  CHECK(Truncate("short", 10) == "short");
  CHECK(Truncate("exactly", 7) == "exactly");
  CHECK(Truncate("longer", 4) == "lon…");
  CHECK(Truncate("東京大学", 6) == "東京…");
  CHECK(Truncate("東京大学", 5) == "東京…");
  CHECK(Truncate("anything", 0).empty());
  for (int width = 1; width < 12; ++width) {
    CHECK(DisplayWidth(Truncate("Zürich 東京 and more", width)) <= width);
  }
}

}  // namespace
}  // namespace federity::terminal
