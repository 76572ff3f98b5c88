#include "server/maintenance/restore.h"

#include <set>

#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/audit/audit_log.h"
#include "server/maintenance/copy.h"
#include "server/maintenance/dump.h"
#include "server/maintenance/key_rotation.h"
#include "server/repositories/garbage.h"
#include "server/repositories/repositories.h"
#include "server/rounds/round_store.h"
#include "server/statistics/statistics_run.h"

namespace federity::maintenance {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxManifestBytes = int64_t{1} << 30;  // some 5 million blobs

absl::Status Damaged(const fs::path& file) {
  return absl::DataLossError(
      StrCat(file.string(),
             " is not what the backup holds: it was changed or damaged; take "
             "another copy of the backup"));
}

absl::Status CheckEmpty(store::Transaction& transaction) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Row row,
      transaction.QueryOne("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"));
  if (row.Int(0) == 0) return absl::OkStatus();
  return absl::AlreadyExistsError("the database is not empty; restore into a new one");
}

absl::Status Settle(store::Transaction& transaction, const Manifest& manifest, absl::Time now) {
  const std::string words =
      StrCat("the coordinator was restored from its backup of ",
             absl::FormatTime("%Y-%m-%d %H:%M", manifest.created, absl::UTCTimeZone()), " UTC");
  FEDERITY_RETURN_IF_ERROR(rounds::FailRunningRounds(
      transaction, rounds::RoundEvent::kRestored,
      {.reason = v1::ERROR_REASON_COORDINATOR_RESTORED, .words = words}, now));
  FEDERITY_RETURN_IF_ERROR(statistics::FailRuns(transaction, words, now));
  for (const std::string& repository : manifest.deleted) {
    const absl::Status deleted = repositories::DeleteRepository(transaction, repository, now);
    // Deleted before the dump, or made after it.
    if (!deleted.ok() && !absl::IsNotFound(deleted)) return deleted;
  }
  FEDERITY_RETURN_IF_ERROR(repositories::EndAllHolds(transaction));
  audit::Event event;
  event.time = now;
  event.actor = std::string(audit::kCoordinator);
  event.action = "Restore";
  event.details = {
      {"backup", absl::FormatTime(absl::RFC3339_sec, manifest.created, absl::UTCTimeZone())}};
  return audit::Append(transaction, event);
}

}  // namespace

absl::StatusOr<Manifest> OpenBackup(const fs::path& from, const crypto::Secret& key_file) {
  const absl::StatusOr<std::string> text = ReadFile(from / kManifestFile, kMaxManifestBytes);
  if (absl::IsNotFound(text.status())) {
    return absl::InvalidArgumentError(
        StrCat(from.string(), " is no finished backup: it has no ", kManifestFile));
  }
  FEDERITY_RETURN_IF_ERROR(text.status());
  FEDERITY_ASSIGN_OR_RETURN(Manifest manifest, ParseManifest(*text));
  if (manifest.schema > store::SchemaVersion()) {
    return absl::FailedPreconditionError(
        StrCat("the backup was made by federity-server ", manifest.version,
               ", which is newer than this program; install that one"));
  }
  if (!OpensKeyCheck(key_file, manifest.key_check)) {
    return absl::FailedPreconditionError(
        "the key file is not the one that this backup needs; restore that one from its own "
        "backup, or name it with key_file");
  }
  FEDERITY_ASSIGN_OR_RETURN(const crypto::FileContent dump, crypto::DigestFile(from / kDumpFile));
  if (dump != manifest.database) return Damaged(from / kDumpFile);
  return manifest;
}

absl::Status RestoreBlobs(const Manifest& manifest, const fs::path& from, blobs::BlobStore& blobs,
                          const Progress& progress) {
  int64_t done = 0;
  std::set<fs::path> folders;
  for (const BackedUpBlob& blob : manifest.blobs) {
    const fs::path file = from / kBlobFolder / blob.repository / blob.address.Hex();
    FEDERITY_ASSIGN_OR_RETURN(const fs::path to, blobs.SealedFile(blob.repository, blob.address));
    FEDERITY_RETURN_IF_ERROR(MakeDirectories(to.parent_path().parent_path()));
    FEDERITY_RETURN_IF_ERROR(MakeDirectories(to.parent_path()));
    FEDERITY_ASSIGN_OR_RETURN(const crypto::FileContent copied, CopyFile(file, to));
    if (copied != blob.file) return Damaged(file);
    folders.insert(to.parent_path());
    folders.insert(to.parent_path().parent_path());
    progress(++done, static_cast<int64_t>(manifest.blobs.size()));
  }
  for (const fs::path& folder : folders) FEDERITY_RETURN_IF_ERROR(SyncDirectory(folder));
  return absl::OkStatus();
}

absl::Status RestoreDatabase(const Manifest& manifest, const fs::path& from,
                             store::Database& database, const std::string& database_url,
                             absl::Time now) {
  FEDERITY_RETURN_IF_ERROR(database.RunInTransaction(&CheckEmpty));
  FEDERITY_RETURN_IF_ERROR(LoadDump(database_url, from / kDumpFile));
  FEDERITY_RETURN_IF_ERROR(store::Migrate(database));
  return database.RunInTransaction(
      [&](store::Transaction& transaction) { return Settle(transaction, manifest, now); });
}

}  // namespace federity::maintenance
