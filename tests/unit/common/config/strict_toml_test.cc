#include "common/config/strict_toml.h"

#include <catch2/catch.hpp>

#include "common/base/errors.h"

namespace federity::config {
namespace {

StrictToml Parse(std::string_view text) {
  auto toml = StrictToml::Parse(text);
  REQUIRE(toml.ok());
  return *std::move(toml);
}

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST_CASE("Values are read by dotted path; what is left out has its default", "[config]") {
  StrictToml toml = Parse(R"(
top = "x"
[a]
n = 3
f = 2
g = 0.5
b = true
d = "10m"
s = ["x", "y"]
i = [1, 2]
v = [1, 0.5]
c = ["no", 1]
w = "two"
)");
  CHECK(toml.String("top", "") == "x");
  CHECK(toml.Integer("a.n", 0, 0, 10) == 3);
  CHECK(toml.Number("a.f", 0, 0, 10) == 2.0);
  CHECK(toml.Number("a.g", 0, 0, 10) == 0.5);
  CHECK(toml.Boolean("a.b", false));
  CHECK(toml.Duration("a.d", absl::Seconds(1), absl::Seconds(1), absl::Hours(1)) ==
        absl::Minutes(10));
  CHECK(toml.Strings("a.s") == std::vector<std::string>{"x", "y"});
  CHECK(toml.Integers("a.i") == std::vector<int64_t>{1, 2});
  CHECK(toml.Numbers("a.v") == std::vector<double>{1.0, 0.5});
  CHECK(toml.Labels("a.c") == std::vector<std::string>{"no", "1"});
  CHECK(toml.OneOf("a.w", "one", {"one", "two"}) == "two");
  CHECK(toml.String("b.none", "fallback") == "fallback");
  CHECK(toml.Integer("b.none2", 7, 0, 10) == 7);
  CHECK(toml.Has("a.n"));
  CHECK_FALSE(toml.Has("a.nothing"));
  CHECK(toml.Finish().ok());
}

TEST_CASE("Wrong values name key, value, line and what would be right", "[config]") {
  const auto error_of = [](std::string_view text, auto read) {
    StrictToml toml = Parse(text);
    read(toml);
    const absl::Status status = toml.Finish();
    CHECK(absl::IsInvalidArgument(status));
    CHECK(MetadataOf(status).at("key") == "k");
    return Message(status);
  };
  const auto integer = [](StrictToml& toml) { toml.Integer("k", 1, 1, 10); };
  CHECK(error_of("\nk = 0", integer) == "k = 0 (line 2): must be a whole number from 1 to 10");
  CHECK_THAT(error_of("k = 11", integer), Catch::Contains("1 to 10"));
  CHECK_THAT(error_of("k = 1.0", integer), Catch::Contains("whole number"));
  CHECK_THAT(error_of("k = \"1\"", integer), Catch::Contains("whole number"));
  const auto number = [](StrictToml& toml) { toml.Number("k", 1, 0, 10); };
  for (const char* bad : {"k = nan", "k = inf", "k = -0.1", "k = 10.1", "k = true", "k = \"1\""})
    CHECK_THAT(error_of(bad, number), Catch::Contains("must be a number"));
  CHECK_THAT(error_of("k = 1", [](StrictToml& toml) { toml.String("k", ""); }),
             Catch::Contains("quotes"));
  CHECK_THAT(error_of("k = 1", [](StrictToml& toml) { toml.Boolean("k", false); }),
             Catch::Contains("true or false"));
  const auto one_of = [](StrictToml& toml) { toml.OneOf("k", "a", {"a", "b"}); };
  CHECK_THAT(error_of("k = \"c\"", one_of), Catch::Contains("one of \"a\", \"b\""));
  const auto duration = [](StrictToml& toml) {
    toml.Duration("k", absl::Seconds(1), absl::Seconds(1), absl::Hours(48));
  };
  for (const char* bad : {"k = 10", "k = \"10\"", "k = \"0s\"", "k = \"3d\"", "k = \"-1m\""})
    CHECK_THAT(error_of(bad, duration), Catch::Contains("from \"1s\" to \"2d\""));
  for (const char* bad : {"k = 1", "k = [1]", "k = [\"a\", 1]"})
    CHECK_THAT(error_of(bad, [](StrictToml& toml) { toml.Strings("k"); }),
               Catch::Contains("list of texts"));
  for (const char* bad : {"k = 1.5", "k = [1, \"a\"]"})
    CHECK_THAT(error_of(bad, [](StrictToml& toml) { toml.Numbers("k"); }),
               Catch::Contains("list of numbers"));
  CHECK_THAT(error_of("k = [1.5]", [](StrictToml& toml) { toml.Integers("k"); }),
             Catch::Contains("whole numbers"));
  CHECK_THAT(error_of("k = [[1]]", [](StrictToml& toml) { toml.Labels("k"); }),
             Catch::Contains("list of texts or whole numbers"));
}

TEST_CASE("The first error wins and the fallback is returned", "[config]") {
  StrictToml toml = Parse("a = 1\nb = 2");
  CHECK(toml.String("a", "fallback") == "fallback");
  toml.Fail("b", "is wrong too");
  CHECK_THAT(Message(toml.Finish()), Catch::StartsWith("a = 1 (line 1)"));
}

TEST_CASE("Unknown keys are refused, with the nearest known one", "[config]") {
  const auto error_of = [](std::string_view text) {
    StrictToml toml = Parse(text);
    toml.Integer("round.min_contributions", 3, 1, 10);
    toml.String("listen", "");
    return toml.Finish();
  };
  CHECK(error_of("listen = \"x\"").ok());
  CHECK_THAT(Message(error_of("[round]\nmin_contribution = 3")),
             Catch::Contains("round.min_contribution (line 2)") &&
                 Catch::Contains("did you mean round.min_contributions?"));
  CHECK(MetadataOf(error_of("lsten = 1")).at("key") == "lsten");
  CHECK_THAT(Message(error_of("zzzzzzzz = 1")), Catch::Contains("remove it"));
  CHECK(error_of("[round]").ok());  // an empty section
  CHECK_THAT(Message(error_of("[empty]")), Catch::Contains("unknown key empty"));
  CHECK_THAT(Message(error_of("round = 3")), Catch::Contains("must be a section, [round]"));
  CHECK_FALSE(error_of("[listen]\nx = 1").ok());
  CHECK_FALSE(error_of("\"round.min_contributions\" = 3").ok());
  CHECK_FALSE(error_of("[[round]]\nmin_contributions = 3").ok());
}

TEST_CASE("Syntax errors have a line; hostile text does no harm", "[config]") {
  const auto syntax = StrictToml::Parse("a = 1\nb = = 2");
  CHECK(absl::IsInvalidArgument(syntax.status()));
  CHECK_THAT(Message(syntax.status()), Catch::StartsWith("line 2, column"));
  CHECK(MetadataOf(syntax.status()).at("line") == "2");
  CHECK_FALSE(StrictToml::Parse("a = 1\na = 2").ok());
  CHECK_FALSE(StrictToml::Parse("a = \"\xff\"").ok());
  CHECK_FALSE(StrictToml::Parse("a = " + std::string(100'000, '[')).ok());
  CHECK_FALSE(StrictToml::Parse(std::string((1 << 20) + 1, ' ')).ok());
  CHECK(StrictToml::Parse(std::string(1 << 20, ' ')).ok());
  const std::string text = "[data]\nk = \"v\\n\" # c\nl = [1, 2.5]\nd = 2026-11-24\n";
  for (size_t size = 0; size <= text.size(); ++size) {
    for (const char c : {'\0', '"', '[', '=', '\n', '\xc3'}) {
      std::string changed = text;
      if (size < text.size()) changed[size] = c;
      auto toml = StrictToml::Parse(changed);
      if (toml.ok()) CHECK((toml->Finish().ok() == false || changed.empty()));
    }
  }
}

TEST_CASE("TOML with a key of too many parts is refused before it takes the stack", "[config]") {
  const auto repeat = [](std::string_view text, size_t times) {
    std::string all;
    while (times-- > 0) all += text;
    return all;
  };
  for (const std::string& deep :
       {"a" + repeat(".a", 400'000) + " = 1", "[a" + repeat(" . 'b=.\\'", 100'000) + "]",
        "a" + repeat(".\",\\\"=\"", 100'000) + " = 1", "k = {a" + repeat(".a", 400'000) + " = 1}",
        "k = \"\"\"\n\"\" \\\"\"\"\"\"\"\nb" + repeat(".\"=\"", 100'000) + " = 1"}) {
    const auto toml = StrictToml::Parse(deep);
    REQUIRE_FALSE(toml.ok());
    CHECK(std::string(toml.status().message()).find("more than 16 parts") != std::string::npos);
  }
  for (const std::string& fine :
       {"a = \"" + repeat(".", 1000) + "\"", "a = [0.5" + repeat(", 0.5", 1000) + "]",
        "# " + repeat(".a", 1000) + "\na = '" + repeat("..", 1000) + "'",
        "a = \"\"\"" + repeat(".\n", 1000) + "\"\"\"\"\"", "a" + repeat(".a", 15) + " = 1"}) {
    CHECK(StrictToml::Parse(fine).ok());
  }
}

TEST_CASE("TOML below a long key takes memory for the key once", "[config]") {
  std::string text = "[" + std::string(300'000, 'a') + "]\n";
  for (int i = 0; i < 50'000; ++i) text += "k" + std::to_string(i) + "=1\n";
  auto toml = StrictToml::Parse(text);  // would take 15 GB
  REQUIRE(toml.ok());
  CHECK(toml->Finish().message().size() < 1000);
  auto deep = StrictToml::Parse("[a.b.c.d.e.f]\nk = 1\n");
  REQUIRE(deep.ok());
  CHECK_FALSE(deep->Finish().ok());
}

TEST_CASE("Durations have one canonical spelling", "[config]") {
  CHECK(config::FormatDuration(absl::Seconds(90)) == "90s");
  CHECK(config::FormatDuration(absl::Minutes(10)) == "10m");
  CHECK(config::FormatDuration(absl::Hours(24)) == "1d");
  CHECK(config::FormatDuration(absl::Hours(36)) == "36h");
  CHECK(config::FormatDuration(absl::ZeroDuration()) == "0s");
  for (const char* text : {"1s", "59s", "90m", "23h", "7d"})
    CHECK(config::FormatDuration(*ParseDuration(text)) == text);
  CHECK(*ParseDuration("24h") == *ParseDuration("1d"));
  for (const char* bad : {"", "s", "10", "10x", "1.5h", "-1s", "+1s", " 1s", "1s ", "1h30m",
                          "1000000000d", "99999999999999999999s"})
    CHECK_FALSE(ParseDuration(bad).ok());
}

}  // namespace
}  // namespace federity::config
