// The PostgreSQL of the tests.
//   serve CACHE          starts one in a temporary folder, prints its URL, runs
//                        until standard input closes
//   start FOLDER CACHE   the same in the background, until `stop` or until the
//                        parent process (ctest) ends
//   stop FOLDER
// CACHE keeps a cluster that holds the migrated database federity_template, so
// that neither initdb nor the migrations run every time.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <pqxx/pqxx>
#include <string>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/digest.h"
#include "common/crypto/secret.h"
#include "server/embedded_postgres/embedded_postgres.h"
#include "server/embedded_postgres/installation.h"
#include "server/store/database.h"
#include "server/store/migrations.h"

namespace federity::testing {
namespace {

namespace fs = std::filesystem;
using embedded_postgres::EmbeddedPostgres;

absl::StatusOr<std::unique_ptr<EmbeddedPostgres>> StartIn(const fs::path& folder) {
  return EmbeddedPostgres::Start({.directory = folder,
                                  .durable = false,
                                  .settings = {{"wal_level", "minimal"},
                                               {"max_wal_senders", "0"},
                                               {"autovacuum", "off"},
                                               {"logging_collector", "off"},
                                               {"shared_buffers", "32MB"},
                                               {"max_connections", "200"}}});
}

absl::Status MakeTemplateDatabase(const std::string& url) {
  try {
    pqxx::connection connection(url);
    pqxx::nontransaction(connection).exec("CREATE DATABASE federity_template");
  } catch (const std::exception& e) {
    return absl::InternalError(e.what());
  }
  FEDERITY_ASSIGN_OR_RETURN(std::unique_ptr<store::Database> database,
                            store::Database::Connect({.url = url + " dbname=federity_template"}));
  return store::Migrate(*database);
}

// The cached cluster for this PostgreSQL and these migrations.
absl::StatusOr<fs::path> CachedCluster(const fs::path& cache) {
  FEDERITY_ASSIGN_OR_RETURN(const auto installation,
                            embedded_postgres::FindInstallation(std::nullopt));
  crypto::Sha256Hasher hasher;
  for (const store::Migration& migration : store::EmbeddedMigrations()) {
    hasher.Update(migration.sql);
  }
  return cache / StrCat(installation.major, "-", hasher.Finish().Hex().substr(0, 16));
}

void Copy(const fs::path& from, const fs::path& to) {
  // cp: it keeps owner and mode, which std::filesystem does not.
  const std::string command = "cp -a '" + from.string() + "' '" + to.string() + "'";
  if (std::system(command.c_str()) != 0) std::perror(command.c_str());
}

absl::StatusOr<std::unique_ptr<EmbeddedPostgres>> StartFromCache(const fs::path& folder,
                                                                 const fs::path& cache) {
  std::error_code error;
  FEDERITY_ASSIGN_OR_RETURN(const fs::path cached, CachedCluster(cache));
  if (fs::exists(cached, error)) {
    Copy(cached, folder / "postgres");
    return StartIn(folder);
  }
  FEDERITY_ASSIGN_OR_RETURN(std::unique_ptr<EmbeddedPostgres> postgres, StartIn(folder));
  FEDERITY_RETURN_IF_ERROR(MakeTemplateDatabase(postgres->url()));
  FEDERITY_RETURN_IF_ERROR(postgres->Stop());
  fs::create_directories(cache, error);
  const fs::path fresh = cached.string() + "." + crypto::RandomUuid();
  Copy(folder / "postgres", fresh);
  fs::rename(fresh, cached, error);
  if (error) fs::remove_all(fresh, error);  // another process was first
  return StartIn(folder);
}

// Runs a cluster in `folder`; when it is up, its URL goes to `ready`. Ends at
// SIGTERM or when `until` is readable or closed.
int Serve(const fs::path& folder, const fs::path& cache, FileDescriptor ready, int until) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  sigprocmask(SIG_BLOCK, &stop, nullptr);
  int result = 1;
  {
    const auto postgres = StartFromCache(folder, cache);
    if (postgres.ok()) {
      const std::string line = (*postgres)->url() + "\n";
      [[maybe_unused]] const ssize_t written = write(ready.get(), line.data(), line.size());
      ready = FileDescriptor();
      pollfd fds[2] = {{until, POLLIN, 0}, {signalfd(-1, &stop, SFD_CLOEXEC), POLLIN, 0}};
      while (poll(fds, 2, -1) <= 0) {
      }
      result = 0;
    } else {
      std::fprintf(stderr, "%s\n", postgres.status().ToString().c_str());
    }
  }
  std::error_code error;
  fs::remove_all(folder, error);
  return result;
}

pid_t ServerOf(const fs::path& folder) {
  const absl::StatusOr<std::string> text = ReadFile(folder / "pid", 32);
  pid_t pid = 0;
  if (!text.ok() || !absl::SimpleAtoi(*text, &pid) || pid <= 1 || kill(pid, 0) != 0) return 0;
  return pid;
}

bool WaitUntilGone(const fs::path& folder) {
  for (const absl::Time end = absl::Now() + absl::Seconds(60); ServerOf(folder) != 0;) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return true;
}

int Start(const fs::path& folder, const fs::path& cache) {
  // The server of a killed run notices that by itself.
  if (!WaitUntilGone(folder)) {
    std::fprintf(stderr, "another test run uses %s\n", folder.c_str());
    return 1;
  }
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  chmod(folder.c_str(), 0711);
  const int parent = static_cast<int>(syscall(SYS_pidfd_open, getppid(), 0));
  int ends[2];
  if (parent < 0 || pipe2(ends, O_CLOEXEC) != 0) {
    std::perror("pidfd_open, pipe");
    return 1;
  }
  FileDescriptor ready_read(ends[0]);
  FileDescriptor ready(ends[1]);
  if (const pid_t pid = fork(); pid != 0) {
    ready = FileDescriptor();
    char c;
    return read(ready_read.get(), &c, 1) == 1 ? 0 : 1;
  }
  setsid();
  ready_read = FileDescriptor();
  const FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  const FileDescriptor log(open((folder / "log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  dup2(null.get(), 0);
  dup2(null.get(), 1);
  dup2(log.get(), 2);
  if (!WriteFileAtomically(folder / "pid", StrCat(getpid())).ok()) return 1;
  return Serve(folder, cache, std::move(ready), parent);
}

int Stop(const fs::path& folder) {
  if (const pid_t pid = ServerOf(folder); pid != 0) kill(pid, SIGTERM);
  return WaitUntilGone(folder) ? 0 : 1;
}

int ServeOnce(const fs::path& cache) {
  std::string folder = "/tmp/federity-test-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    std::perror(folder.c_str());
    return 1;
  }
  return Serve(folder, cache, FileDescriptor(dup(1)), 0);
}

}  // namespace
}  // namespace federity::testing

int main(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "serve" && argc == 3) return federity::testing::ServeOnce(argv[2]);
  if (verb == "start" && argc == 4) return federity::testing::Start(argv[2], argv[3]);
  if (verb == "stop" && argc == 3) return federity::testing::Stop(argv[2]);
  std::fprintf(stderr, "usage: %s serve CACHE | start FOLDER CACHE | stop FOLDER\n", argv[0]);
  return 2;
}
