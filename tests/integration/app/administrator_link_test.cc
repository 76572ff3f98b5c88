#include "server/app/administrator_link.h"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "absl/strings/match.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/rpc/join_link.h"
#include "server/membership/certificate_authority.h"
#include "tests/testing/temp_postgres.h"

namespace federity::app {
namespace {

namespace fs = std::filesystem;

class LinkFixture {
 public:
  LinkFixture() {
    std::string name = "/tmp/federity-link-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~LinkFixture() { fs::remove_all(folder_); }

 protected:
  store::Database& database() { return postgres_.database(); }
  void MakeCoordinator() {
    REQUIRE(membership::CertificateAuthority::LoadOrCreate(database(), crypto::RandomSecret(32),
                                                           Clock::System())
                .ok());
  }
  void Run(std::string_view sql) {
    REQUIRE(database()
                .RunInTransaction([&](store::Transaction& t) { return t.Execute(sql).status(); })
                .ok());
  }
  fs::path file() const { return folder_ / "administrator-link"; }
  const absl::Time now_ = absl::FromUnixSeconds(1'795'000'000);

 private:
  testing::TempPostgres postgres_;
  fs::path folder_;
};

TEST_CASE_METHOD(LinkFixture, "A coordinator that never ran has no link", "[server]") {
  const absl::Status status = MakeAdministratorLink(database(), "host:1", now_).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(), "federity-server run"));
}

TEST_CASE_METHOD(LinkFixture, "An owner's link is made for a namespace that there is", "[server]") {
  CHECK(absl::IsFailedPrecondition(MakeOwnerLink(database(), "st-mary", "host:1", now_).status()));
  MakeCoordinator();
  CHECK(absl::IsNotFound(MakeOwnerLink(database(), "st-mary", "host:1", now_).status()));
  Run("INSERT INTO organizations (id, display_name, has_namespace, created_at) "
      "VALUES ('st-mary', 'St. Mary', true, now())");
  const auto link = MakeOwnerLink(database(), "st-mary", "host:1", now_);
  REQUIRE(link.ok());
  CHECK(rpc::ParseJoinLink(*link)->address == "host:1");
}

TEST_CASE_METHOD(LinkFixture, "The first link stays until it can't be redeemed", "[server]") {
  MakeCoordinator();
  const auto first = FirstAdministratorLink(database(), file(), "host:1", now_);
  REQUIRE(first.ok());
  REQUIRE(first->has_value());
  CHECK(*ReadFile(file(), 4096) == **first + "\n");

  // Again: the same one, with the address of today.
  const auto moved = FirstAdministratorLink(database(), file(), "host:2", now_);
  REQUIRE(moved.ok());
  CHECK(rpc::ParseJoinLink(**moved)->secret == rpc::ParseJoinLink(**first)->secret);
  CHECK(rpc::ParseJoinLink(**moved)->address == "host:2");
  REQUIRE(RemoveUsedLink(database(), file(), now_).ok());
  CHECK(fs::exists(file()));

  // Expired: another one.
  const absl::Time later = now_ + absl::Hours(24 * 8);
  REQUIRE(RemoveUsedLink(database(), file(), later).ok());
  CHECK_FALSE(fs::exists(file()));
  const auto next = FirstAdministratorLink(database(), file(), "host:2", later);
  REQUIRE(next.ok());
  CHECK(rpc::ParseJoinLink(**next)->secret != rpc::ParseJoinLink(**first)->secret);
}

TEST_CASE_METHOD(LinkFixture, "A used link goes, and an administrator needs none", "[server]") {
  MakeCoordinator();
  REQUIRE(FirstAdministratorLink(database(), file(), "host:1", now_).ok());
  Run("UPDATE invitations SET uses = 1;"
      "INSERT INTO members (id, organization, role, kind, contribution_key, created_at) "
      "VALUES (gen_random_uuid(), 'coordinator', 1, 1, decode(repeat('ab', 32), 'hex'), now())");
  REQUIRE(RemoveUsedLink(database(), file(), now_).ok());
  CHECK_FALSE(fs::exists(file()));
  const auto none = FirstAdministratorLink(database(), file(), "host:1", now_);
  REQUIRE(none.ok());
  CHECK_FALSE(none->has_value());
  CHECK_FALSE(fs::exists(file()));

  // The last administrator is gone: the next start makes a link again.
  Run("UPDATE members SET removed_at = now()");
  const auto again = FirstAdministratorLink(database(), file(), "host:1", now_);
  REQUIRE(again.ok());
  CHECK(again->has_value());
}

TEST_CASE_METHOD(LinkFixture, "Rubbish in the link file is replaced", "[server]") {
  MakeCoordinator();
  REQUIRE(WriteFileAtomically(file(), std::string(3000, 'x')).ok());
  const auto link = FirstAdministratorLink(database(), file(), "host:1", now_);
  REQUIRE(link.ok());
  CHECK(*ReadFile(file(), 4096) == **link + "\n");
}

}  // namespace
}  // namespace federity::app
