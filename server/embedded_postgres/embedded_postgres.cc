#include "server/embedded_postgres/embedded_postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "server/embedded_postgres/installation.h"
#include "server/embedded_postgres/postmaster.h"
#include "server/embedded_postgres/process.h"

namespace federity::embedded_postgres {
namespace {

namespace fs = std::filesystem;

// sockaddr_un::sun_path holds 108 bytes with its NUL; "/.s.PGSQL.5432" follows.
constexpr size_t kMaxSocketFolder = 107 - 14;
constexpr absl::Duration kPoll = absl::Milliseconds(5);

// The cluster's only other database is the one that initdb makes.
constexpr std::string_view kSuperuser = "federity";

// host= takes a comma for a list, and PostgreSQL's setting too; a plain path
// needs quoting in neither.
bool IsPlain(const std::string& path) {
  return std::all_of(path.begin(), path.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '/' || c == '.' || c == '-' ||
           c == '_';
  });
}

std::string UrlOf(const fs::path& socket_folder) {
  return absl::StrCat("host=", socket_folder.string(), " port=5432 dbname=postgres user=federity");
}

absl::Status Own(const fs::path& path, const SystemUser& user, mode_t mode) {
  if (chown(path.c_str(), user.uid, user.gid) != 0 || chmod(path.c_str(), mode) != 0) {
    return ErrnoStatus(errno, absl::StrCat("give ", path.string(), " to user ", user.name));
  }
  return absl::OkStatus();
}

// Whom the cluster belongs to.
absl::StatusOr<SystemUser> ChooseUser(const fs::path& cluster) {
  const SystemUser current = CurrentUser();
  struct stat info;
  if (stat(cluster.c_str(), &info) == 0) {
    if (info.st_uid == current.uid && current.uid != 0) return current;
    if (current.uid == 0 && info.st_uid != 0) return FindUser(info.st_uid);
    return absl::PermissionDeniedError(
        absl::StrCat(cluster.string(), " belongs to user id ", info.st_uid,
                     " and this program runs as ", current.name,
                     info.st_uid == 0 ? "; PostgreSQL refuses root: `chown -R postgres` the folder"
                                      : "; run it as that user, or `chown -R` the folder"));
  }
  if (current.uid != 0) return current;
  for (const char* name : {"federity", "postgres", "nobody"}) {
    if (absl::StatusOr<SystemUser> user = FindUser(std::string(name)); user.ok()) return user;
  }
  return absl::FailedPreconditionError(
      "PostgreSQL does not run as root, and there is no system user federity, postgres or nobody; "
      "`adduser --system --group federity`");
}

// The user must be able to walk to DIR. DIR itself holds nothing that others may
// read; its parents are the administrator's.
absl::Status CheckReachable(const fs::path& directory, const SystemUser& user) {
  if (CurrentUser().uid != 0) return absl::OkStatus();
  struct stat info;
  if (stat(directory.c_str(), &info) == 0 && (info.st_mode & S_IXOTH) == 0) {
    if (chmod(directory.c_str(), (info.st_mode & 07777) | S_IXOTH) != 0) {
      return ErrnoStatus(errno, absl::StrCat("chmod ", directory.string()));
    }
  }
  const absl::StatusOr<std::string> reached =
      RunProgram({.arguments = {"/bin/true"}, .user = user, .directory = directory});
  if (reached.ok()) return absl::OkStatus();
  if (!absl::IsPermissionDenied(reached.status())) return reached.status();
  return absl::PermissionDeniedError(absl::StrCat(
      "the system user ", user.name, ", which runs the database, can't reach ", directory.string(),
      "; choose a data directory such as /var/lib/federity, or let others "
      "enter its parent folders (`chmod o+x`)"));
}

std::optional<int> VersionOf(const fs::path& cluster) {
  const absl::StatusOr<std::string> text = ReadFile(cluster / "PG_VERSION", 64);
  int major = 0;
  if (!text.ok() || !absl::SimpleAtoi(*text, &major)) return std::nullopt;
  return major;
}

absl::StatusOr<Installation> ChooseInstallation(const fs::path& cluster) {
  std::error_code error;
  if (!fs::exists(cluster, error)) return FindInstallation(std::nullopt);
  const std::optional<int> major = VersionOf(cluster);
  if (!major.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        cluster.string(), " is not a PostgreSQL cluster (no PG_VERSION); move it away"));
  }
  absl::StatusOr<Installation> installation = FindInstallation(major);
  if (installation.ok()) return installation;
  return absl::FailedPreconditionError(absl::StrCat(
      cluster.string(), " was made by another PostgreSQL: ", installation.status().message(),
      "; `apt install postgresql-", *major, "`, or move the data with pg_upgrade"));
}

// A half-made cluster never gets the name: a crash leaves postgres.new, which
// the next start throws away.
absl::Status MakeCluster(const fs::path& cluster, const Installation& installation,
                         const SystemUser& user, bool durable) {
  const fs::path fresh = cluster.string() + ".new";
  std::error_code error;
  fs::remove_all(fresh, error);
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(fresh, 0700));
  FEDERITY_RETURN_IF_ERROR(Own(fresh, user, 0700));
  log::Info("making a database cluster", {{"folder", cluster.string()}, {"user", user.name}});
  // trust: whoever can enter the socket's 0700 folder is this user or root.
  ProgramSpec initdb = {.arguments = {(installation.bin / "initdb").string(), "-D", fresh.string(),
                                      "-U", std::string(kSuperuser), "-A", "trust", "-E", "UTF8",
                                      "--locale=C", "--no-instructions"},
                        .user = user,
                        .directory = fresh};
  if (!durable) initdb.arguments.push_back("--no-sync");
  FEDERITY_RETURN_IF_ERROR(RunProgram(initdb).status());
  if (rename(fresh.c_str(), cluster.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("rename ", fresh.string()));
  }
  return SyncDirectory(cluster.parent_path());
}

class EmbeddedPostgresImpl : public EmbeddedPostgres {
 public:
  EmbeddedPostgresImpl(Options options, Installation installation, SystemUser user)
      : options_(std::move(options)),
        cluster_(options_.directory / "postgres"),
        installation_(std::move(installation)),
        user_(std::move(user)) {}

  ~EmbeddedPostgresImpl() override {
    if (absl::Status status = Stop(); !status.ok()) {
      log::Error("stopping the database failed", {{"error", status.ToString()}});
    }
  }

  // Adopts a live postmaster or starts one.
  absl::Status Begin() {
    if (std::optional<Postmaster> found = FindPostmaster(cluster_); found.has_value()) {
      if (absl::StatusOr<Postmaster> ready = WaitUntilReady(found->pid); ready.ok()) {
        pid_ = ready->pid;
        adopted_ = true;
        socket_folder_ = ready->socket_folder;
        url_ = UrlOf(socket_folder_);
        log::Info("adopted the running database", {{"pid", absl::StrCat(pid_)}});
        return absl::OkStatus();
      }
      // It was on its way down.
    }
    FEDERITY_RETURN_IF_ERROR(MakeSocketFolder());
    url_ = UrlOf(socket_folder_);
    return Launch();
  }

  const std::string& url() const override { return url_; }
  pid_t pid() const override { return pid_; }
  bool adopted() const override { return adopted_; }

  absl::Status EnsureRunning() override {
    if (pid_ > 0 && IsRunning(pid_)) return absl::OkStatus();
    log::Error("the database has died; starting it again", {});
    return Launch();
  }

  absl::Status Stop() override {
    if (pid_ <= 0) return absl::OkStatus();
    FEDERITY_RETURN_IF_ERROR(StopPostmaster(pid_));
    pid_ = 0;
    std::error_code error;
    fs::remove_all(socket_folder_, error);
    return absl::OkStatus();
  }

 private:
  absl::Status MakeSocketFolder() {
    socket_folder_ = options_.directory / "run";
    if (socket_folder_.string().size() <= kMaxSocketFolder && IsPlain(socket_folder_.string())) {
      FEDERITY_RETURN_IF_ERROR(MakeDirectories(socket_folder_, 0700));
    } else {
      std::string name = "/tmp/federity-XXXXXX";
      if (mkdtemp(name.data()) == nullptr) return ErrnoStatus(errno, absl::StrCat("make ", name));
      socket_folder_ = name;
    }
    return Own(socket_folder_, user_, 0700);
  }

  absl::Status Launch() {
    // What is no live postmaster of this cluster left only its file; PostgreSQL
    // would refuse if its pid had gone to another process of this user.
    std::error_code error;
    if (!FindPostmaster(cluster_).has_value()) fs::remove(cluster_ / "postmaster.pid", error);

    // The processes of a postmaster that was killed take a moment to notice, and
    // hold the shared memory until then.
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    while (true) {
      const absl::Status status = LaunchOnce();
      if (status.ok() || absl::Now() > give_up ||
          !absl::StrContains(status.message(), "is still in use")) {
        return status;
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
  }

  absl::Status LaunchOnce() {
    const fs::path log_file = options_.directory / "postgres-start.log";
    FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor output,
                              OpenFile(log_file, O_RDWR | O_CREAT | O_TRUNC));
    FEDERITY_ASSIGN_OR_RETURN(pid_, StartProgram({.arguments = Arguments(),
                                                  .user = user_,
                                                  .directory = cluster_,
                                                  .output = output.get()}));
    const absl::StatusOr<Postmaster> ready = WaitUntilReady(pid_);
    if (ready.ok()) return absl::OkStatus();
    pid_ = 0;
    return Annotate(ready.status(), absl::StrCat("PostgreSQL does not start: ",
                                                 ReadFile(log_file, 1 << 16).value_or(""),
                                                 " (see also ", (cluster_ / "log").string(), ")"));
  }

  // The postmaster writes its state into its pid file, as for pg_ctl -w.
  absl::StatusOr<Postmaster> WaitUntilReady(pid_t pid) const {
    absl::Time next_report = absl::Now() + absl::Seconds(10);
    while (IsRunning(pid)) {
      const std::optional<Postmaster> found = FindPostmaster(cluster_);
      if (found.has_value() && found->pid == pid && found->ready) return *found;
      if (absl::Now() > next_report) {
        log::Info("waiting for the database (recovery after a crash takes a while)", {});
        next_report += absl::Seconds(10);
      }
      absl::SleepFor(kPoll);
    }
    return absl::UnavailableError("it ended");
  }

  std::vector<std::string> Arguments() const {
    std::vector<std::string> arguments = {(installation_.bin / "postgres").string(), "-D",
                                          cluster_.string()};
    const auto set = [&](const std::string& name, const std::string& value) {
      arguments.push_back("-c");
      arguments.push_back(absl::StrCat(name, "=", value));
    };
    set("listen_addresses", "");
    set("port", "5432");
    set("unix_socket_directories", socket_folder_.string());
    set("unix_socket_permissions", "0700");
    for (const char* name : {"fsync", "synchronous_commit", "full_page_writes"}) {
      set(name, options_.durable ? "on" : "off");
    }
    set("max_connections", "50");
    // Short queries gain nothing by it, and the service forbids code in writable memory.
    set("jit", "off");
    // A week of logs below the cluster; terse, because DETAIL repeats row values.
    set("logging_collector", "on");
    set("log_filename", "postgresql-%a.log");
    set("log_truncate_on_rotation", "on");
    set("log_rotation_age", "1d");
    set("log_rotation_size", "0");
    set("log_error_verbosity", "terse");
    for (const auto& [name, value] : options_.settings) set(name, value);
    return arguments;
  }

  const Options options_;
  const fs::path cluster_;
  const Installation installation_;
  const SystemUser user_;
  fs::path socket_folder_;
  std::string url_;
  pid_t pid_ = 0;
  bool adopted_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EmbeddedPostgres>> EmbeddedPostgres::Start(Options options) {
  std::error_code error;
  options.directory = fs::absolute(options.directory, error);
  const fs::path cluster = options.directory / "postgres";
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(options.directory, 0700));
  FEDERITY_ASSIGN_OR_RETURN(SystemUser user, ChooseUser(cluster));
  FEDERITY_RETURN_IF_ERROR(CheckReachable(options.directory, user));
  FEDERITY_ASSIGN_OR_RETURN(Installation installation, ChooseInstallation(cluster));
  if (!fs::exists(cluster, error)) {
    FEDERITY_RETURN_IF_ERROR(MakeCluster(cluster, installation, user, options.durable));
  }
  auto postgres = std::make_unique<EmbeddedPostgresImpl>(std::move(options),
                                                         std::move(installation), std::move(user));
  FEDERITY_RETURN_IF_ERROR(postgres->Begin());
  return std::unique_ptr<EmbeddedPostgres>(std::move(postgres));
}

absl::StatusOr<std::string> EmbeddedPostgres::FindRunning(const fs::path& directory) {
  std::error_code error;
  const std::optional<Postmaster> found =
      FindPostmaster(fs::absolute(directory, error) / "postgres");
  if (!found.has_value() || !found->ready) {
    return absl::NotFoundError(absl::StrCat("no database runs on ", directory.string()));
  }
  return UrlOf(found->socket_folder);
}

}  // namespace federity::embedded_postgres
