#include "client/cli/interrupt.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "common/base/files.h"

namespace federity::cli {
namespace {

TEST_CASE("Within a scope Ctrl-C is a flag, after it what it was", "[cli]") {
  struct sigaction before {};
  ::sigaction(SIGINT, nullptr, &before);
  {
    const InterruptScope scope;
    CHECK_FALSE(InterruptScope::Interrupted());
    std::raise(SIGINT);
    CHECK(InterruptScope::Interrupted());
    // The second one would kill.
    struct sigaction now {};
    ::sigaction(SIGINT, nullptr, &now);
    CHECK(now.sa_handler == SIG_DFL);
  }
  struct sigaction after {};
  ::sigaction(SIGINT, nullptr, &after);
  CHECK(after.sa_handler == before.sa_handler);
  const InterruptScope again;
  CHECK_FALSE(InterruptScope::Interrupted());
}

TEST_CASE("A work directory is private and goes with its object", "[cli]") {
  std::filesystem::path path;
  {
    auto made = WorkDirectory::Make();
    REQUIRE(made.ok());
    const WorkDirectory work = *std::move(made);
    path = work.path();
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0700);
    REQUIRE(WriteFileAtomically(path / "weights", "x").ok());
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace federity::cli
