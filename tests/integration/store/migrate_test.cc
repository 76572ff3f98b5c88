#include <catch2/catch.hpp>
#include <thread>

#include "absl/strings/match.h"
#include "server/store/database.h"
#include "server/store/migrations.h"
#include "tests/testing/temp_postgres.h"

namespace federity::store {
namespace {

using testing::TempPostgres;

absl::Status Run(Database& database, std::string_view sql) {
  return database.RunInTransaction([&](Transaction& t) { return t.Execute(sql).status(); });
}

int64_t Count(Database& database, std::string_view sql) {
  int64_t count = -1;
  REQUIRE(database
              .RunInTransaction([&](Transaction& t) -> absl::Status {
                auto row = t.QueryOne(sql);
                if (row.ok()) count = row->Int(0);
                return row.status();
              })
              .ok());
  return count;
}

TEST_CASE("Migrating gives the whole schema, and again changes nothing", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  REQUIRE(Migrate(postgres.database()).ok());
  REQUIRE(Migrate(postgres.database()).ok());
  CHECK(Count(postgres.database(), "SELECT count(*) FROM schema_migrations") == SchemaVersion());
  CHECK(Count(postgres.database(), "SELECT count(*) FROM contributions") == 0);
}

TEST_CASE("Replicas that start together migrate once", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  std::vector<absl::Status> statuses(4);
  std::vector<std::thread> threads;
  for (absl::Status& status : statuses) {
    threads.emplace_back([&] {
      auto database = Database::Connect({.url = postgres.url()});
      status = database.ok() ? Migrate(**database) : database.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : statuses) {
    INFO(status);
    CHECK(status.ok());
  }
  CHECK(Count(postgres.database(), "SELECT count(*) FROM schema_migrations") == SchemaVersion());
}

TEST_CASE("A migration that was edited after it was applied is refused", "[store]") {
  TempPostgres postgres;
  REQUIRE(
      Run(postgres.database(), "UPDATE schema_migrations SET checksum = '\\x00' WHERE version = 2")
          .ok());
  const absl::Status status = Migrate(postgres.database());
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(), "migration 2"));
}

TEST_CASE("A database of a newer program is refused", "[store]") {
  TempPostgres postgres;
  REQUIRE(Run(postgres.database(),
              "INSERT INTO schema_migrations SELECT max(version) + 1, 'future', '\\x00', now() "
              "FROM schema_migrations")
              .ok());
  const absl::Status status = Migrate(postgres.database());
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(), "newer federity-server"));
}

TEST_CASE("The migrations have versions 1, 2, … and no gaps", "[store]") {
  int expected = 0;
  for (const Migration& migration : EmbeddedMigrations()) {
    CHECK(migration.version == ++expected);
    CHECK_FALSE(migration.sql.empty());
  }
  CHECK(expected >= 3);
}

}  // namespace
}  // namespace federity::store
