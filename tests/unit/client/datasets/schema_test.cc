#include "client/datasets/schema.h"

#include <catch2/catch.hpp>

#include "tests/unit/client/temp_dir.h"

namespace federity::datasets {
namespace {

using testing::TempDir;
using Names = std::vector<std::string>;

TEST_CASE("ParseHeaderLine: delimiters, quotes, empty names", "[datasets]") {
  CHECK(ParseHeaderLine("a,b,c") == Names{"a", "b", "c"});
  CHECK(ParseHeaderLine("a;b,c;d") == Names{"a", "b,c", "d"});
  CHECK(ParseHeaderLine("a\tb") == Names{"a", "b"});
  CHECK(ParseHeaderLine(R"("x, ""y""",z)") == Names{"x, \"y\"", "z"});
  CHECK(ParseHeaderLine(",") == Names{"", ""});
  CHECK(ParseHeaderLine("\"open,end") == Names{"open,end"});
}

TEST_CASE("ReadSchema reads the header line and no row", "[datasets]") {
  TempDir dir;
  const auto csv = [&](const std::string& text) {
    return ReadSchema({.format = "csv", .path = dir.Write("a.csv", text).string()});
  };
  CHECK(*csv("age,outcome\r\n1,yes\r\n") == Names{"age", "outcome"});
  CHECK(*csv("\xEF\xBB\xBF"
             "age;outcome\n") == Names{"age", "outcome"});
  CHECK(*csv("age") == Names{"age"});
  CHECK_FALSE(csv("").ok());
  CHECK_FALSE(csv("\n1,2\n").ok());
  CHECK_FALSE(csv(std::string(3 << 20, 'x')).ok());
}

TEST_CASE("ReadSchema lists the classes of an image folder", "[datasets]") {
  TempDir dir;
  dir.Write("set/dog/1.png", "");
  dir.Write("set/cat/1.png", "");
  dir.Write("set/README", "");
  CHECK(*ReadSchema({.format = "image_folder", .path = (dir / "set").string()}) ==
        Names{"cat", "dog"});
}

}  // namespace
}  // namespace federity::datasets
