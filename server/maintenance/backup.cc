#include "server/maintenance/backup.h"

#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/base/version.h"
#include "common/crypto/aead.h"
#include "common/crypto/secret.h"
#include "server/maintenance/copy.h"
#include "server/maintenance/dump.h"
#include "server/maintenance/key_rotation.h"
#include "server/maintenance/manifest.h"
#include "server/membership/certificate_authority.h"
#include "server/repositories/garbage.h"

namespace federity::maintenance {
namespace {

namespace fs = std::filesystem;

// A backup that is killed holds the collector no longer than this.
constexpr absl::Duration kHold = absl::Hours(1);
constexpr absl::Duration kRenewHold = absl::Minutes(10);
constexpr char kLockFile[] = "lock";

absl::Status Hold(const Source& source, const std::string& hold, absl::Time until) {
  return source.database.RunInTransaction([&](store::Transaction& transaction) {
    return repositories::HoldCollection(transaction, hold, until);
  });
}

absl::Status EndHold(const Source& source, const std::string& hold) {
  return source.database.RunInTransaction([&](store::Transaction& transaction) {
    return repositories::EndHold(transaction, hold);
  });
}

// After the dump and with the collector held: whatever the dump names is here.
absl::StatusOr<std::vector<BackedUpBlob>> ListBlobs(store::Database& database) {
  std::vector<BackedUpBlob> blobs;
  FEDERITY_RETURN_IF_ERROR(
      database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        blobs.clear();
        FEDERITY_ASSIGN_OR_RETURN(
            const store::Rows rows,
            transaction.Execute("SELECT b.repository, b.digest FROM blobs b JOIN repositories r "
                                "ON r.id = b.repository WHERE r.deleted_at IS NULL ORDER BY 1, 2"));
        for (const store::Row& row : rows) {
          BackedUpBlob blob{.repository = row.Text(0)};
          FEDERITY_ASSIGN_OR_RETURN(blob.address, crypto::ParseDigest(row.Text(1)));
          blobs.push_back(std::move(blob));
        }
        return absl::OkStatus();
      }));
  return blobs;
}

// Repositories that were deleted after the dump: their blobs went at once.
absl::StatusOr<std::vector<std::string>> ListDeleted(store::Database& database, absl::Time since) {
  std::vector<std::string> deleted;
  FEDERITY_RETURN_IF_ERROR(
      database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        deleted.clear();
        FEDERITY_ASSIGN_OR_RETURN(
            const store::Rows rows,
            transaction.Execute("SELECT id FROM repositories WHERE deleted_at >= $1",
                                store::Params().Time(since)));
        for (const store::Row& row : rows) deleted.push_back(row.Text(0));
        return absl::OkStatus();
      }));
  return deleted;
}

absl::Status CopyBlob(const Source& source, const fs::path& folder, BackedUpBlob& blob) {
  const fs::path home = folder / kBlobFolder / blob.repository;
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(home));
  FEDERITY_ASSIGN_OR_RETURN(const fs::path from,
                            source.blobs.SealedFile(blob.repository, blob.address));
  FEDERITY_ASSIGN_OR_RETURN(blob.file, CopyFile(from, home / blob.address.Hex()));
  return absl::OkStatus();
}

absl::Status CopyBlobs(const Source& source, const std::string& hold, const fs::path& folder,
                       const Progress& progress, Manifest& manifest, BackupReport& report) {
  FEDERITY_ASSIGN_OR_RETURN(std::vector<BackedUpBlob> blobs, ListBlobs(source.database));
  absl::Time renewed = source.clock.Now();
  int64_t done = 0;
  for (BackedUpBlob& blob : blobs) {
    const absl::Time now = source.clock.Now();
    if (now - renewed >= kRenewHold) {
      FEDERITY_RETURN_IF_ERROR(Hold(source, hold, now + kHold));
      renewed = now;
    }
    const absl::Status copied = CopyBlob(source, folder, blob);
    if (absl::IsNotFound(copied)) {
      report.missing.push_back(StrCat(blob.repository, "/", blob.address.Hex()));
      std::error_code ignored;
      fs::remove(folder / kBlobFolder / blob.repository / blob.address.Hex(), ignored);
    } else {
      FEDERITY_RETURN_IF_ERROR(copied);
      report.bytes += blob.file.bytes;
      manifest.blobs.push_back(std::move(blob));
    }
    progress(++done, static_cast<int64_t>(blobs.size()));
  }
  report.blobs = static_cast<int64_t>(manifest.blobs.size());
  return absl::OkStatus();
}

// What was deleted meanwhile is not missing, and will not be restored.
void Forget(const std::vector<std::string>& deleted, Manifest& manifest, BackupReport& report) {
  manifest.deleted = deleted;
  for (const std::string& repository : deleted) {
    std::erase_if(report.missing,
                  [&](const std::string& name) { return name.rfind(repository + "/", 0) == 0; });
  }
}

absl::Status SyncFolders(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    if (entry.is_directory(error)) FEDERITY_RETURN_IF_ERROR(SyncDirectory(entry.path()));
  }
  if (error) return ErrnoStatus(error.value(), folder.string());
  return SyncDirectory(folder);
}

absl::Status Fill(const Source& source, const fs::path& folder, const Progress& progress,
                  BackupReport& report) {
  // Opens the keys, so that a backup is of a coordinator that can be opened.
  FEDERITY_ASSIGN_OR_RETURN(const auto authority,
                            membership::CertificateAuthority::LoadOrCreate(
                                source.database, source.key_file, source.clock));
  Manifest manifest{.created = source.clock.Now(),
                    .version = std::string(kVersion),
                    .schema = store::SchemaVersion(),
                    .authority = authority->fingerprint().Hex(),
                    .key_check = MakeKeyCheck(source.key_file)};
  const std::string hold = crypto::RandomUuid();
  FEDERITY_RETURN_IF_ERROR(Hold(source, hold, manifest.created + kHold));
  const absl::Cleanup end_hold = [&] {
    EndHold(source, hold).IgnoreError();  // it ends by itself otherwise
  };
  FEDERITY_RETURN_IF_ERROR(DumpDatabase(source.database_url, folder / kDumpFile));
  FEDERITY_ASSIGN_OR_RETURN(manifest.database, crypto::DigestFile(folder / kDumpFile));
  report.bytes = manifest.database.bytes;
  FEDERITY_RETURN_IF_ERROR(CopyBlobs(source, hold, folder, progress, manifest, report));
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<std::string> deleted,
                            ListDeleted(source.database, manifest.created));
  Forget(deleted, manifest, report);
  FEDERITY_RETURN_IF_ERROR(WriteFileAtomically(folder / kManifestFile, FormatManifest(manifest)));
  return SyncFolders(folder);
}

// The folder, held by this process alone, without what a killed backup left in it.
absl::StatusOr<FileDescriptor> TakeFolder(const fs::path& folder) {
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(folder));
  absl::StatusOr<FileDescriptor> lock = LockFile(folder / kLockFile);
  if (!lock.ok()) return Annotate(lock.status(), "another backup writes there");
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename() != kLockFile) fs::remove_all(entry.path(), error);
  }
  if (error) return ErrnoStatus(error.value(), folder.string());
  return lock;
}

}  // namespace

absl::StatusOr<BackupReport> Backup(const Source& source, const fs::path& to,
                                    const Progress& progress) {
  std::error_code error;
  if (fs::exists(to, error)) {
    return Error(v1::ERROR_REASON_ALREADY_EXISTS,
                 StrCat(to.string(), " exists; a backup goes into a new folder"));
  }
  fs::path unfinished = to;
  unfinished += ".unfinished";
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor lock, TakeFolder(unfinished));
  BackupReport report;
  const absl::Status filled = Fill(source, unfinished, progress, report);
  if (!filled.ok()) {
    fs::remove_all(unfinished, error);
    return filled;
  }
  fs::rename(unfinished, to, error);
  if (error) return ErrnoStatus(error.value(), to.string());
  // Only now: who opened it under the old name finds it locked, not gone.
  fs::remove(to / kLockFile, error);
  FEDERITY_RETURN_IF_ERROR(SyncDirectory(to));
  FEDERITY_RETURN_IF_ERROR(SyncDirectory(fs::absolute(to, error).parent_path()));
  return report;
}

}  // namespace federity::maintenance
