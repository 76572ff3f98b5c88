#include "server/app/operations.h"

#include <unistd.h>

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/crypto/aead.h"
#include "server/app/command_database.h"
#include "server/app/key_file.h"
#include "server/blobs/blob_store.h"
#include "server/maintenance/key_rotation.h"
#include "server/maintenance/restore.h"

namespace federity::app {
namespace {

namespace fs = std::filesystem;

fs::path Marker(const fs::path& data_directory) { return data_directory / "restoring"; }

// A folder that is not there, or has nothing in it.
absl::Status CheckEmpty(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder, error) || fs::is_empty(folder, error)) return absl::OkStatus();
  return Error(v1::ERROR_REASON_ALREADY_EXISTS,
               absl::StrCat(folder.string(),
                            " is not empty; restore into a new folder, or move this one away"));
}

}  // namespace

absl::StatusOr<maintenance::BackupReport> BackupCoordinator(const ServerConfig& config,
                                                            const fs::path& to,
                                                            const Clock& clock,
                                                            const maintenance::Progress& progress) {
  FEDERITY_RETURN_IF_ERROR(CheckRestored(config.data_directory));
  FEDERITY_ASSIGN_OR_RETURN(const CommandDatabase opened,
                            OpenCommandDatabase(config, Coordinator::kMayRun));
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Secret key_file,
                            OpenKeyFile(config, *opened.database, clock));
  FEDERITY_ASSIGN_OR_RETURN(const auto blobs, blobs::BlobStore::Open(config.blob_directory));
  return maintenance::Backup({.database = *opened.database,
                              .database_url = opened.url,
                              .blobs = *blobs,
                              .key_file = key_file,
                              .clock = clock},
                             to, progress);
}

absl::StatusOr<maintenance::Manifest> RestoreCoordinator(const ServerConfig& config,
                                                         const fs::path& from, const Clock& clock,
                                                         const maintenance::Progress& progress) {
  // All that can be checked is, before anything is made.
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Secret key_file,
                            LoadKeyFile(config.key_file, /*may_create=*/false));
  FEDERITY_RETURN_IF_ERROR(CheckEmpty(config.data_directory));
  FEDERITY_RETURN_IF_ERROR(CheckEmpty(config.blob_directory));
  absl::StatusOr<maintenance::Manifest> manifest = maintenance::OpenBackup(from, key_file);
  if (!manifest.ok()) return Annotate(manifest.status(), from.string());

  FEDERITY_RETURN_IF_ERROR(MakeDirectories(config.data_directory, 0700));
  FEDERITY_RETURN_IF_ERROR(WriteFileAtomically(Marker(config.data_directory), from.string()));
  FEDERITY_ASSIGN_OR_RETURN(CommandDatabase opened, MakeCommandDatabase(config));
  FEDERITY_ASSIGN_OR_RETURN(const auto blobs, blobs::BlobStore::Open(config.blob_directory));
  FEDERITY_RETURN_IF_ERROR(maintenance::RestoreBlobs(*manifest, from, *blobs, progress));
  FEDERITY_RETURN_IF_ERROR(maintenance::RestoreDatabase(*manifest, from, *opened.database,
                                                        opened.url, clock.Now()));
  FEDERITY_RETURN_IF_ERROR(OpenKeyFile(config, *opened.database, clock).status());
  opened.database.reset();
  if (opened.postgres != nullptr) FEDERITY_RETURN_IF_ERROR(opened.postgres->Stop());
  if (unlink(Marker(config.data_directory).c_str()) != 0) {
    return ErrnoStatus(errno, Marker(config.data_directory).string());
  }
  FEDERITY_RETURN_IF_ERROR(SyncDirectory(config.data_directory));
  return manifest;
}

absl::Status CheckRestored(const fs::path& data_directory) {
  std::error_code error;
  if (!fs::exists(Marker(data_directory), error)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("a restore into ", data_directory.string(),
                   " was interrupted; delete that folder and restore again"));
}

absl::StatusOr<fs::path> RotateKey(const ServerConfig& config, const Clock& clock) {
  FEDERITY_RETURN_IF_ERROR(CheckRestored(config.data_directory));
  FEDERITY_ASSIGN_OR_RETURN(const CommandDatabase opened,
                            OpenCommandDatabase(config, Coordinator::kMustBeStopped));
  FEDERITY_ASSIGN_OR_RETURN(const bool has_secrets, HasSecrets(*opened.database));
  if (!has_secrets) return absl::FailedPreconditionError("this coordinator never started");
  FEDERITY_RETURN_IF_ERROR(
      FinishKeyRotation(config.key_file, *opened.database, clock).status());
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Secret old_key,
                            OpenKeyFile(config, *opened.database, clock));
  const crypto::Secret new_key = crypto::RandomSecret(crypto::kAeadKeySize);
  FEDERITY_RETURN_IF_ERROR(WriteNewKeyFile(config.key_file, new_key));
  FEDERITY_RETURN_IF_ERROR(maintenance::RewrapSecrets(*opened.database, old_key, new_key));
  FEDERITY_ASSIGN_OR_RETURN(const std::optional<fs::path> kept,
                            FinishKeyRotation(config.key_file, *opened.database, clock));
  if (!kept.has_value()) return absl::InternalError("the new key file opens nothing");
  return *kept;
}

}  // namespace federity::app
