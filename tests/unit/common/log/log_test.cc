#include "common/log/log.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <regex>
#include <string>

namespace federity::log {
namespace {

// What `write` sends to standard error.
template <typename F>
std::string Captured(F write) {
  std::FILE* const file = std::tmpfile();
  REQUIRE(file != nullptr);
  std::fflush(stderr);
  const int saved = dup(STDERR_FILENO);
  dup2(fileno(file), STDERR_FILENO);
  write();
  std::fflush(stderr);
  dup2(saved, STDERR_FILENO);
  close(saved);
  std::string text(100'000, '\0');
  std::rewind(file);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

TEST_CASE("A line is time, level, message and fields", "[log]") {
  Initialise("federity-test", Level::kInfo);
  const std::string line = Captured([] {
    Info("round committed", {{"repository", "o/r"}, {"round", "3"}});
  });
  CHECK(std::regex_match(line, std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info )"
                                          R"(round committed repository=o/r round=3 )"
                                          R"(program=federity-test\n)")));
}

TEST_CASE("Values are quoted where a reader would stop too early", "[log]") {
  Initialise("t", Level::kInfo);
  const std::string line = Captured([] {
    Warning("x", {{"a", ""}, {"b", "two words"}, {"c", "k=v"}, {"d", "say \"hi\" \\"}});
  });
  CHECK_THAT(line, Catch::Contains(R"( warning x a="" b="two words" c="k=v" d="say \"hi\" \\")"));
}

TEST_CASE("Nobody's text forges a second line", "[log]") {
  Initialise("t", Level::kInfo);
  const std::string line = Captured([] {
    Error("bad\nname", {{"name", "x\r\n2026-11-24T05:00:00.000Z info owned\x1b[31m \xff"}});
  });
  CHECK(line.find('\n') == line.size() - 1);
  CHECK(line.find('\r') == std::string::npos);
  CHECK(line.find('\x1b') == std::string::npos);
  CHECK(line.find('\xff') == std::string::npos);
  CHECK_THAT(line, Catch::Contains("error bad name"));
}

TEST_CASE("Braces are no format", "[log]") {
  Initialise("t", Level::kInfo);
  CHECK_THAT(Captured([] { Info("{} {0} %s", {{"a", "{}"}}); }), Catch::Contains("{} {0} %s a={}"));
}

TEST_CASE("Levels below the one set are silent", "[log]") {
  Initialise("t", Level::kWarning);
  CHECK(Captured([] {
          Debug("x");
          Info("x");
        }).empty());
  CHECK_FALSE(Captured([] { Warning("x"); }).empty());
  CHECK(ParseLevel("debug") == Level::kDebug);
  CHECK(ParseLevel("warning") == Level::kWarning);
  CHECK(ParseLevel("error") == Level::kError);
  CHECK(ParseLevel("loud") == Level::kInfo);
}

}  // namespace
}  // namespace federity::log
