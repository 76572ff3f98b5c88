#include "client/terminal/output.h"

#include <catch2/catch.hpp>
#include <sstream>

namespace federity::terminal {
namespace {

struct Streams {
  explicit Streams(const std::string& input = "") : in(input) {}
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Output output{.in = in, .out = out, .err = err};
};

TEST_CASE("People get text, machines get one document", "[terminal]") {
  Streams streams;
  Output& output = streams.output;
  Table table({{"A"}});
  output.Show(table, "Nothing.");
  output.Document({{"list", Json::array()}});
  CHECK(streams.out.str() == "Nothing.\n");

  Streams machine;
  machine.output.json = true;
  machine.output.Show(table, "Nothing.");
  machine.output.Line("text");
  machine.output.Document({{"list", Json::array()}});
  CHECK(machine.out.str() == "{\"list\":[]}\n");
}

TEST_CASE("A question needs somebody to answer it", "[terminal]") {
  Streams nobody;
  CHECK(absl::IsFailedPrecondition(Confirm(nobody.output, "Delete it?", false)));
  CHECK(Confirm(nobody.output, "Delete it?", true).ok());
  CHECK(nobody.err.str().empty());
  for (const std::string answer : {"y\n", "yes\n", "Y\n"}) {
    Streams person(answer);
    person.output.in_is_terminal = true;
    CHECK(Confirm(person.output, "Delete it?", false).ok());
  }
  for (const std::string answer : {"", "\n", "n\n", "yo\n"}) {
    Streams person(answer);
    person.output.in_is_terminal = true;
    CHECK(absl::IsCancelled(Confirm(person.output, "Delete it?", false)));
  }
}

TEST_CASE("A hyphen reads the argument from standard input", "[terminal]") {
  Streams streams("  federity://host:1/j1/x \nmore\n");
  CHECK(*ArgumentOrInput(streams.output, "-") == "federity://host:1/j1/x");
  CHECK(*ArgumentOrInput(streams.output, "federity://given") == "federity://given");
  Streams empty;
  CHECK(absl::IsInvalidArgument(ArgumentOrInput(empty.output, "-").status()));
}

TEST_CASE("A line without end does not fill the memory", "[terminal]") {
  Streams streams(std::string(1 << 20, 'x'));
  CHECK(ArgumentOrInput(streams.output, "-")->size() == 64 << 10);
}

}  // namespace
}  // namespace federity::terminal
