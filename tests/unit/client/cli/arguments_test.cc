#include "client/cli/arguments.h"

#include <catch2/catch.hpp>

namespace federity::cli {
namespace {

TEST_CASE("Repositories, scopes and commits as people write them", "[cli]") {
  CHECK(*RepositoryName("st-mary/heart") == "organizations/st-mary/repositories/heart");
  CHECK(*ScopeName("st-mary/heart") == "organizations/st-mary/repositories/heart");
  CHECK(*ScopeName("st-mary") == "organizations/st-mary");
  CHECK(ScopeName("server")->empty());
  CHECK(CommitName(*CommitArgument("st-mary/heart")) ==
        "organizations/st-mary/repositories/heart/commits/head");
  CHECK(CommitName(*CommitArgument("st-mary/heart@v3")) ==
        "organizations/st-mary/repositories/heart/commits/v3");
  for (const char* wrong : {"", "/", "st-mary/", "/heart", "St-Mary/heart", "a/b/c", "a b/c",
                            "-a/b", "a/b-", "../etc", "a/..", "organizations/a/repositories/b"}) {
    INFO(wrong);
    CHECK(absl::IsInvalidArgument(RepositoryName(wrong).status()));
    CHECK(absl::IsInvalidArgument(CommitArgument(wrong).status()));
  }
  CHECK(absl::IsInvalidArgument(CommitArgument("a/b@").status()));
  CHECK(absl::IsInvalidArgument(CommitArgument("a/b@c/d").status()));
}

TEST_CASE("Rounds by number", "[cli]") {
  CHECK(*RoundName("r", "7") == "r/rounds/7");
  CHECK(*RoundName("r", "latest") == "r/rounds/latest");
  for (const char* wrong : {"", "0", "07", "-1", "1x", "7/contributions", "12345678901"}) {
    CHECK(absl::IsInvalidArgument(RoundName("r", wrong).status()));
  }
}

TEST_CASE("Roles and kinds", "[cli]") {
  CHECK(*ParseRole("contributor") == v1::ROLE_CONTRIBUTOR);
  CHECK(RoleText(v1::ROLE_AUDITOR) == "auditor");
  CHECK(absl::IsInvalidArgument(ParseRole("administrator").status()));
  CHECK(absl::IsInvalidArgument(ParseRole("Owner").status()));
  CHECK(*ParseKind("agent") == v1::MEMBER_KIND_AGENT);
  CHECK(KindText(v1::MEMBER_KIND_PERSON) == "person");
  CHECK(*ParseSeconds("7d") == 7 * 24 * 3600);
  CHECK_FALSE(ParseSeconds("0s").ok());
  CHECK_FALSE(ParseSeconds("-1d").ok());
}

TEST_CASE("Short names", "[cli]") {
  CHECK(ShortCommit("organizations/o/repositories/r/commits/0123456789abcdef") == "0123456789ab");
  CHECK(ShortId("members/01234567-89ab") == "01234567");
  CHECK(LastSegment("").empty());
}

}  // namespace
}  // namespace federity::cli
