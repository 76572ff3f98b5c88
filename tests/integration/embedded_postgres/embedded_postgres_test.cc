#include "server/embedded_postgres/embedded_postgres.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/files.h"
#include "server/store/database.h"

namespace federity::embedded_postgres {
namespace {

namespace fs = std::filesystem;

// A folder of its own, removed at the end.
class Folder {
 public:
  Folder() {
    std::string name = "/tmp/federity-embedded-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

absl::StatusOr<std::unique_ptr<EmbeddedPostgres>> Start(const fs::path& directory) {
  return EmbeddedPostgres::Start({.directory = directory, .durable = false});
}

absl::Status Run(const std::string& url, const std::string& sql) {
  auto database = store::Database::Connect({.url = url, .max_connections = 1});
  if (!database.ok()) return database.status();
  return (*database)->RunInTransaction(
      [&](store::Transaction& t) { return t.Execute(sql).status(); });
}

bool Runs(pid_t pid) { return kill(pid, 0) == 0; }

TEST_CASE("The embedded database keeps its data over a restart", "[embedded]") {
  const Folder folder;
  pid_t first = 0;
  {
    auto postgres = Start(folder.path());
    INFO(postgres.status());
    REQUIRE(postgres.ok());
    CHECK_FALSE((*postgres)->adopted());
    first = (*postgres)->pid();
    CHECK(Run((*postgres)->url(), "CREATE TABLE t (x int); INSERT INTO t VALUES (1)").ok());
    CHECK(*EmbeddedPostgres::FindRunning(folder.path()) == (*postgres)->url());
    CHECK((*postgres)->Stop().ok());
  }
  CHECK_FALSE(Runs(first));
  CHECK(absl::IsNotFound(EmbeddedPostgres::FindRunning(folder.path()).status()));
  auto postgres = Start(folder.path());
  REQUIRE(postgres.ok());
  CHECK(Run((*postgres)->url(), "SELECT 1 / (SELECT x FROM t)").ok());
}

TEST_CASE("The embedded database writes no code at run time", "[embedded]") {
  const Folder folder;
  auto postgres = Start(folder.path());
  REQUIRE(postgres.ok());
  CHECK(Run((*postgres)->url(), "SELECT 1 / (current_setting('jit') = 'off')::int").ok());
}

TEST_CASE("Nobody but its user reaches the embedded database", "[embedded]") {
  const Folder folder;
  auto postgres = Start(folder.path());
  REQUIRE(postgres.ok());
  for (const char* name : {"run", "postgres"}) {
    struct stat info;
    REQUIRE(stat((folder / name).c_str(), &info) == 0);
    CHECK((info.st_mode & 077) == 0);
    CHECK(info.st_uid != 0);
  }
}

TEST_CASE("A long or odd path gets a short socket folder", "[embedded]") {
  const Folder folder;
  const fs::path directory = folder / (std::string(100, 'x') + ", y");
  REQUIRE(chmod(folder.path().c_str(), 0711) == 0);
  auto postgres = Start(directory);
  INFO(postgres.status());
  REQUIRE(postgres.ok());
  CHECK(absl::StrContains((*postgres)->url(), "host=/tmp/federity-"));
  CHECK(Run((*postgres)->url(), "SELECT 1").ok());
}

TEST_CASE("A postmaster that outlived its server is adopted", "[embedded]") {
  const Folder folder;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t server = fork();
  if (server == 0) {
    auto postgres = Start(folder.path());
    const pid_t pid = postgres.ok() ? (*postgres)->pid() : 0;
    [[maybe_unused]] const ssize_t written = write(ends[1], &pid, sizeof pid);
    raise(SIGKILL);
  }
  pid_t postmaster = 0;
  REQUIRE(read(ends[0], &postmaster, sizeof postmaster) == sizeof postmaster);
  close(ends[0]);
  close(ends[1]);
  waitpid(server, nullptr, 0);
  REQUIRE(postmaster > 0);
  REQUIRE(Runs(postmaster));

  auto postgres = Start(folder.path());
  REQUIRE(postgres.ok());
  CHECK((*postgres)->adopted());
  CHECK((*postgres)->pid() == postmaster);
  CHECK(Run((*postgres)->url(), "SELECT 1").ok());
  CHECK((*postgres)->Stop().ok());
  // It is not our child: whoever inherited it reaps it.
  CHECK(absl::IsNotFound(EmbeddedPostgres::FindRunning(folder.path()).status()));
}

TEST_CASE("A killed postmaster is started again, with its data", "[embedded]") {
  const Folder folder;
  auto postgres = EmbeddedPostgres::Start({.directory = folder.path()});  // durable
  REQUIRE(postgres.ok());
  REQUIRE(Run((*postgres)->url(), "CREATE TABLE t (x int)").ok());
  const std::string url = (*postgres)->url();
  const pid_t first = (*postgres)->pid();
  REQUIRE(kill(first, SIGKILL) == 0);
  // Until the kill has arrived, it is found alive.
  absl::Status status;
  while (status.ok() && (*postgres)->pid() == first) status = (*postgres)->EnsureRunning();
  INFO(status);
  REQUIRE(status.ok());
  CHECK((*postgres)->url() == url);
  CHECK(Run(url, "SELECT * FROM t").ok());
}

TEST_CASE("A pid file whose pid is another program now does not hinder", "[embedded]") {
  const Folder folder;
  REQUIRE(Start(folder.path()).ok());  // and stopped
  REQUIRE(WriteFileAtomically(folder / "postgres/postmaster.pid",
                              absl::StrCat(getpid(), "\n", folder.path().string(),
                                           "/postgres\n1\n5432\n/nonexistent\n\n  1  2\nready\n"),
                              0644)
              .ok());
  auto postgres = Start(folder.path());
  INFO(postgres.status());
  REQUIRE(postgres.ok());
  CHECK_FALSE((*postgres)->adopted());
}

TEST_CASE("A cluster that was half made by a crash is made again", "[embedded]") {
  const Folder folder;
  REQUIRE(MakeDirectories(folder / "postgres.new/base").ok());
  REQUIRE(WriteFileAtomically(folder / "postgres.new/PG_VERSION", "15\n").ok());
  CHECK(Start(folder.path()).ok());
  CHECK_FALSE(fs::exists(folder / "postgres.new"));
}

TEST_CASE("A cluster of another version is refused with the remedy", "[embedded]") {
  const Folder folder;
  REQUIRE(Start(folder.path()).ok());
  REQUIRE(WriteFileAtomically(folder / "postgres/PG_VERSION", "9\n", 0644).ok());
  const absl::Status status = Start(folder.path()).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(), "PostgreSQL 9 is needed"));
  CHECK(absl::StrContains(status.message(), "postgresql-9"));
}

TEST_CASE("A folder that is no cluster is refused", "[embedded]") {
  const Folder folder;
  REQUIRE(MakeDirectories(folder / "postgres").ok());
  const absl::Status status = Start(folder.path()).status();
  CHECK_FALSE(status.ok());
  CHECK(absl::StrContains(status.message(), "postgres"));
}

TEST_CASE("A folder that the database's user can't reach is refused with the remedy",
          "[embedded]") {
  if (geteuid() != 0) return;  // only root drops to another user
  const Folder folder;         // 0700, root's
  const absl::Status status = Start(folder / "data").status();
  CHECK(absl::IsPermissionDenied(status));
  CHECK(absl::StrContains(status.message(), "can't reach"));
  CHECK(absl::StrContains(status.message(), "chmod o+x"));
}

}  // namespace
}  // namespace federity::embedded_postgres
