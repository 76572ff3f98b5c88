#ifndef FEDERITY_SERVER_APP_OPERATIONS_H_
#define FEDERITY_SERVER_APP_OPERATIONS_H_

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "server/app/config.h"
#include "server/maintenance/backup.h"
#include "server/maintenance/manifest.h"

namespace federity::app {

// What an operator does to a whole coordinator (docs/operations/backup.md).
// `config` must be complete.

// Copies it, running or not, into the new folder `to`. The key file is not in it.
absl::StatusOr<maintenance::BackupReport> BackupCoordinator(const ServerConfig& config,
                                                            const std::filesystem::path& to,
                                                            const Clock& clock,
                                                            const maintenance::Progress& progress);

// Makes a coordinator of a backup, where there is none: the data directory (and the
// external database) must be empty, the key file in its place. What it has to say
// is in the manifest. A restore that is interrupted leaves a folder that no
// coordinator starts on.
absl::StatusOr<maintenance::Manifest> RestoreCoordinator(const ServerConfig& config,
                                                         const std::filesystem::path& from,
                                                         const Clock& clock,
                                                         const maintenance::Progress& progress);

// FAILED_PRECONDITION with the remedy where a restore was interrupted.
absl::Status CheckRestored(const std::filesystem::path& data_directory);

// Makes a new key file and seals every secret by it; the coordinator must be
// stopped. Returns where the old key file is kept: backups that exist need it.
// Killed at any line, the coordinator starts with one or the other.
absl::StatusOr<std::filesystem::path> RotateKey(const ServerConfig& config, const Clock& clock);

}  // namespace federity::app

#endif  // FEDERITY_SERVER_APP_OPERATIONS_H_
