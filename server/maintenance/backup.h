#ifndef FEDERITY_SERVER_MAINTENANCE_BACKUP_H_
#define FEDERITY_SERVER_MAINTENANCE_BACKUP_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/crypto/secret.h"
#include "server/blobs/blob_store.h"
#include "server/store/database.h"

namespace federity::maintenance {

// A coordinator as a backup sees it. Everything outlives the call.
struct Source {
  store::Database& database;
  std::string database_url;
  blobs::BlobStore& blobs;
  const crypto::Secret& key_file;
  const Clock& clock;
};

// Blobs done, of how many.
using Progress = std::function<void(int64_t done, int64_t of)>;

struct BackupReport {
  int64_t blobs = 0;
  int64_t bytes = 0;  // of all files
  // What the database names and the blob folder lacks: "repository/digest".
  std::vector<std::string> missing;
};

// Copies a coordinator, running or not, into the new folder `to` (0700): the
// database first, as one snapshot, then every blob that it names; meanwhile none is
// collected. The key file is not in it. The folder has its name only when it is
// complete and on the disk. Several may run at once, each into a folder of its own.
// ALREADY_EXISTS; FAILED_PRECONDITION for another key file, or while another backup
// writes to `to`; STORAGE_FULL.
absl::StatusOr<BackupReport> Backup(const Source& source, const std::filesystem::path& to,
                                    const Progress& progress);

}  // namespace federity::maintenance

#endif  // FEDERITY_SERVER_MAINTENANCE_BACKUP_H_
