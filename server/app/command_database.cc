#include "server/app/command_database.h"

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "server/app/key_file.h"
#include "server/membership/certificate_authority.h"

namespace federity::app {
namespace {

using embedded_postgres::EmbeddedPostgres;

constexpr char kApplication[] = "federity-server command";

absl::Status StartEmbedded(const ServerConfig& config, CommandDatabase& opened) {
  FEDERITY_ASSIGN_OR_RETURN(opened.postgres,
                            EmbeddedPostgres::Start({.directory = config.data_directory}));
  opened.url = opened.postgres->url();
  return absl::OkStatus();
}

absl::Status Connect(CommandDatabase& opened) {
  FEDERITY_ASSIGN_OR_RETURN(
      opened.database,
      store::Database::Connect(
          {.url = opened.url, .max_connections = 2, .application = kApplication}));
  return absl::OkStatus();
}

absl::Status TakeLock(const ServerConfig& config, CommandDatabase& opened) {
  FEDERITY_ASSIGN_OR_RETURN(opened.lock, LockFile(config.data_directory / "lock"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommandDatabase> OpenCommandDatabase(const ServerConfig& config,
                                                    Coordinator coordinator) {
  CommandDatabase opened;
  opened.url = config.database_url;
  std::error_code error;
  const bool has_directory = std::filesystem::is_directory(config.data_directory, error);
  if (coordinator == Coordinator::kMustBeStopped && has_directory) {
    FEDERITY_RETURN_IF_ERROR(TakeLock(config, opened));
  }
  if (opened.url.empty()) {
    if (!std::filesystem::exists(config.data_directory / "postgres", error)) {
      return absl::FailedPreconditionError(
          absl::StrCat(config.data_directory.string(),
                       " has no embedded database; give --config with its database.url"));
    }
    // The running coordinator's database, or one for this moment.
    if (auto running = EmbeddedPostgres::FindRunning(config.data_directory);
        running.ok() && !opened.lock.valid()) {
      opened.url = *std::move(running);
    } else {
      if (!opened.lock.valid()) FEDERITY_RETURN_IF_ERROR(TakeLock(config, opened));
      FEDERITY_RETURN_IF_ERROR(StartEmbedded(config, opened));
    }
  }
  FEDERITY_RETURN_IF_ERROR(Connect(opened));
  // Never under a coordinator that may be an older program.
  const bool alone = opened.postgres != nullptr;
  FEDERITY_RETURN_IF_ERROR(alone ? store::Migrate(*opened.database)
                                 : store::CheckSchema(*opened.database));
  return opened;
}

absl::StatusOr<CommandDatabase> MakeCommandDatabase(const ServerConfig& config) {
  CommandDatabase opened;
  opened.url = config.database_url;
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(config.data_directory, 0700));
  FEDERITY_RETURN_IF_ERROR(TakeLock(config, opened));
  if (opened.url.empty()) FEDERITY_RETURN_IF_ERROR(StartEmbedded(config, opened));
  FEDERITY_RETURN_IF_ERROR(Connect(opened));
  return opened;
}

absl::StatusOr<bool> HasSecrets(store::Database& database) {
  bool has = false;
  FEDERITY_RETURN_IF_ERROR(database.RunInTransaction([&](store::Transaction& t) -> absl::Status {
    FEDERITY_ASSIGN_OR_RETURN(const auto row, t.QueryOptional("SELECT 1 FROM coordinator"));
    has = row.has_value();
    return absl::OkStatus();
  }));
  return has;
}

absl::StatusOr<crypto::Secret> OpenKeyFile(const ServerConfig& config, store::Database& database,
                                           const Clock& clock) {
  FEDERITY_ASSIGN_OR_RETURN(const bool has_secrets, HasSecrets(database));
  if (!has_secrets) return absl::FailedPreconditionError("this coordinator never started");
  FEDERITY_ASSIGN_OR_RETURN(crypto::Secret key_file,
                            LoadKeyFile(config.key_file, /*may_create=*/false));
  const absl::Status opened =
      membership::CertificateAuthority::LoadOrCreate(database, key_file, clock).status();
  if (!opened.ok()) return Annotate(opened, config.key_file.string());
  return key_file;
}

}  // namespace federity::app
