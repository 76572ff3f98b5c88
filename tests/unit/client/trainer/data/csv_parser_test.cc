#include "client/trainer/data/csv_parser.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "client/trainer/failure.h"
#include "tests/unit/client/trainer/testing.h"

namespace federity::trainer {
namespace {

using Records = std::vector<std::vector<std::string>>;

struct Parsed {
  Records records;
  absl::Status status;
};

Parsed Parse(std::string_view text) {
  const testing::TemporaryFolder folder;
  const FileDescriptor file = testing::OpenForReading(folder.Write("a.csv", text));
  CsvParser parser(file.get());
  Parsed parsed;
  while (true) {
    const auto more = parser.Next();
    if (!more.ok()) {
      parsed.status = more.status();
      return parsed;
    }
    if (!*more) return parsed;
    parsed.records.push_back(parser.fields());
  }
}

void RequireFault(std::string_view text, std::string_view message) {
  INFO(text.substr(0, 40));
  const Parsed parsed = Parse(text);
  REQUIRE_FALSE(parsed.status.ok());
  CHECK(FailureReason(parsed.status) == kDataInvalid);
  CHECK_THAT(std::string(parsed.status.message()), Catch::Contains(std::string(message)));
}

TEST_CASE("CsvParser reads what RFC 4180 allows") {
  CHECK(Parse("a,b\n1,2\n").records == Records{{"a", "b"}, {"1", "2"}});
  CHECK(Parse("a,b\r\n1,2").records == Records{{"a", "b"}, {"1", "2"}});
  CHECK(Parse("\xEF\xBB\xBF"
              "a;b\n1;2,5\n")
            .records == Records{{"a", "b"}, {"1", "2,5"}});
  CHECK(Parse("\"a,\nb\",\"say \"\"x\"\"\"\n,\n").records ==
        Records{{"a,\nb", "say \"x\""}, {"", ""}});
  CHECK(Parse("a\n\n1\r\n\r\n\"\"\n").records == Records{{"a"}, {"1"}, {""}});
  CHECK(Parse("\"x;y\",b\n").records == Records{{"x;y", "b"}});
  CHECK(Parse("").records.empty());
}

TEST_CASE("CsvParser joins records across its blocks") {
  std::string text = "a,b\n";
  Records expected = {{"a", "b"}};
  for (int i = 0; i < 60'000; ++i) {
    text += std::to_string(i) + ",\"x\r\ny\"\r\n";
    expected.push_back({std::to_string(i), "x\r\ny"});
  }
  const Parsed parsed = Parse(text);
  REQUIRE(parsed.status.ok());
  CHECK(parsed.records == expected);
}

TEST_CASE("CsvParser refuses hostile text, naming the line") {
  RequireFault(std::string_view("a,b\n1,\0\n", 8), "line 2");
  RequireFault(std::string_view("a,b\n1,\0\n", 8), "NUL");
  RequireFault("a\n1\"2\n", "quotation mark inside");
  RequireFault("a\n\"1\"2\n", "after a closing");
  RequireFault("a\n\"1\n2\n", "ends inside");
  RequireFault("a\rb\n", "carriage return");
  RequireFault(
      "\xFF\xFE"
      "a",
      "UTF-16");
  RequireFault("a\n" + std::string(2 << 20, 'x'), "a record of more than");
  RequireFault("a\n\"" + std::string(2 << 20, '\n'), "never closed");
  std::string columns;
  for (int i = 0; i < 400'000; ++i) columns += "a,";
  RequireFault(columns, "more than 20000 columns");
}

}  // namespace
}  // namespace federity::trainer
