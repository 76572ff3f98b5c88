// Backups that run at the same time, as two replicas' timers start them.
#include "server/maintenance/backup.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>

#include "server/repositories/garbage.h"
#include "tests/integration/rounds/round_fixture.h"

namespace federity::testing {
namespace {

namespace fs = std::filesystem;

class BackupFixture : public RoundFixture {
 public:
  BackupFixture() : RoundFixture(DefaultPlan(), 1) {
    Upload(agents()[0], "handed in");
    Sql("UPDATE uploads SET expires_at = $1", store::Params().Time(now()));
    for (const auto& entry : fs::recursive_directory_iterator(folder() / "blobs")) {
      if (entry.is_regular_file()) {
        fs::last_write_time(entry, fs::file_time_type::clock::now() - std::chrono::hours(2));
      }
    }
  }

  absl::StatusOr<maintenance::BackupReport> Backup(const std::string& name,
                                                   const maintenance::Progress& progress) {
    return maintenance::Backup({.database = database(),
                                .database_url = url(),
                                .blobs = blobs(),
                                .key_file = key_file(),
                                .clock = clock()},
                               folder() / name, progress);
  }
  // How many blobs the collector takes now.
  int64_t Collect() {
    return Require(repositories::CollectGarbage(database(), blobs(), now())).blobs;
  }
};

constexpr auto kQuiet = [](int64_t, int64_t) {};

}  // namespace

TEST_CASE_METHOD(BackupFixture, "Two backups at once hold the collector until both have ended",
                 "[backup]") {
  absl::StatusOr<maintenance::BackupReport> inner = absl::UnknownError("not run");
  const auto outer = Backup("first", [&](int64_t done, int64_t) {
    if (done > 1) return;
    inner = Backup("second", kQuiet);
    CHECK(Collect() == 0);
  });
  INFO(outer.status() << inner.status());
  REQUIRE(outer.ok());
  REQUIRE(inner.ok());
  CHECK(outer->blobs > 0);
  CHECK(outer->blobs == inner->blobs);
  CHECK(outer->missing.empty());
  CHECK(Collect() > 0);
  CHECK(Sql("SELECT 1 FROM collection_holds").empty());
}

TEST_CASE_METHOD(BackupFixture, "A second backup to the same name is refused and harms nothing",
                 "[backup]") {
  absl::Status second;
  const auto first = Backup("backup", [&](int64_t done, int64_t) {
    if (done == 1) second = Backup("backup", kQuiet).status();
  });
  INFO(first.status());
  REQUIRE(first.ok());
  CHECK(absl::IsFailedPrecondition(second));
  CHECK(second.message().find(StrCat("another backup writes there: ",
                                     (folder() / "backup.unfinished").string())) == 0);
  CHECK(second.message().find(StrCat(getpid())) != absl::string_view::npos);
  CHECK(first->missing.empty());
  CHECK(fs::exists(folder() / "backup" / "manifest.json"));
  CHECK_FALSE(fs::exists(folder() / "backup" / "lock"));
  CHECK_FALSE(fs::exists(folder() / "backup.unfinished"));
}

TEST_CASE_METHOD(BackupFixture, "What a killed backup left is cleared and holds nothing for ever",
                 "[backup]") {
  fs::create_directories(folder() / "backup.unfinished" / "blobs" / "half");
  Sql("INSERT INTO collection_holds (id, held_until) VALUES ($1, $2)",
      store::Params().Text(crypto::RandomUuid()).Time(now() + absl::Hours(1)));
  REQUIRE(Backup("backup", kQuiet).ok());
  CHECK_FALSE(fs::exists(folder() / "backup" / "blobs" / "half"));
  CHECK(Collect() == 0);
  clock().Advance(absl::Hours(1));
  CHECK(Collect() > 0);
  CHECK(Sql("SELECT 1 FROM collection_holds").empty());
}

}  // namespace federity::testing
