#include "client/agent/session.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/unit/client/temp_dir.h"

namespace federity::agent {
namespace {

using testing::TempDir;

absl::Status Open(const std::filesystem::path& directory, bool exclusive, bool create) {
  return Session::Open(
             {.config = {.state_dir = directory}, .exclusive = exclusive, .create = create})
      .status();
}

TEST_CASE("Session makes a state directory only where one is to be made", "[agent]") {
  TempDir dir;
  const absl::Status missing = Open(dir / "state", false, false);
  CHECK(absl::IsNotFound(missing));
  CHECK_THAT(std::string(missing.message()), Catch::Contains("federity-agent join LINK"));
  CHECK_FALSE(std::filesystem::exists(dir / "state"));
  REQUIRE(Open(dir / "state", true, true).ok());
  CHECK((std::filesystem::status(dir / "state").permissions() &
         (std::filesystem::perms::group_all | std::filesystem::perms::others_all)) ==
        std::filesystem::perms::none);
}

TEST_CASE("Session: one process writes, others may read", "[agent]") {
  TempDir dir;
  const auto session = Session::Open({.config = {.state_dir = dir.path()}, .exclusive = true});
  REQUIRE(session.ok());
  const absl::Status second = Open(dir.path(), true, false);
  CHECK(absl::IsFailedPrecondition(second));
  CHECK_THAT(std::string(second.message()), Catch::Contains(std::to_string(getpid())));
  CHECK(Open(dir.path(), false, false).ok());
}

TEST_CASE("Session refuses a damaged state", "[agent]") {
  TempDir dir;
  dir.Write("state.json", "{");
  CHECK(absl::IsDataLoss(Open(dir.path(), true, false)));
}

}  // namespace
}  // namespace federity::agent
