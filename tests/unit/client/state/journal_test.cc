#include "client/state/journal.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/unit/client/temp_dir.h"

namespace federity::state {
namespace {

using testing::TempDir;

TEST_CASE("Journal gives back the last entries in order", "[state]") {
  TempDir dir;
  Journal journal(dir / "journal.log");
  CHECK(journal.Tail(10).empty());
  for (int i = 0; i < 5; ++i) journal.Append("trained", "o/r", "round " + std::to_string(i));
  const auto tail = journal.Tail(2);
  REQUIRE(tail.size() == 2);
  CHECK(tail[0]["text"] == "round 3");
  CHECK(tail[1]["text"] == "round 4");
  CHECK(tail[1]["event"] == "trained");
}

TEST_CASE("Journal stays bounded and keeps the newest entries", "[state]") {
  TempDir dir;
  Journal journal(dir / "journal.log", Clock::System(), 2000);
  for (int i = 0; i < 200; ++i) journal.Append("event", "o/r", std::to_string(i));
  uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(dir.path()))
    bytes += file.file_size();
  CHECK(bytes <= 4000);
  const auto tail = journal.Tail(1000);
  CHECK(tail.size() >= 10);
  CHECK(tail.back()["text"] == "199");
}

TEST_CASE("Journal leaves out lines that do not read", "[state]") {
  TempDir dir;
  dir.Write("journal.log", "{\"time\":\"t\",\"event\":\"a\"}\nnot json\n[1]\n{\"event\":\"tor");
  Journal journal(dir / "journal.log");
  CHECK(journal.Tail(10).size() == 1);
  journal.Append("event", "o/r", "bytes that are not UTF-8: \xff\xfe\n and a line break");
  CHECK(journal.Tail(10).size() <= 2);
  journal.Append("event", "o/r", "next");
  CHECK(journal.Tail(1)[0]["text"] == "next");
}

}  // namespace
}  // namespace federity::state
