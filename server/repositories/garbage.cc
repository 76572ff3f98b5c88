#include "server/repositories/garbage.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/log/log.h"

namespace federity::repositories {
namespace {

// Every blob that something needs: commits, deltas of rounds that have not
// ended (their states 1 to 3), complete uploads that wait to be named.
constexpr char kReferenced[] =
    "SELECT program_digest FROM commits WHERE repository = $1 "
    "UNION SELECT weights_digest FROM commits WHERE repository = $1 "
    "UNION SELECT c.delta_digest FROM contributions c JOIN rounds r ON r.repository = c.repository "
    "AND r.number = c.round WHERE c.repository = $1 AND r.state IN (1, 2, 3) AND "
    "c.delta_digest IS NOT NULL "
    "UNION SELECT digest FROM uploads WHERE repository = $1 AND complete";

absl::StatusOr<std::vector<std::string>> SelectIds(store::Database& database,
                                                   std::string_view sql) {
  std::vector<std::string> ids;
  FEDERITY_RETURN_IF_ERROR(
      database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        ids.clear();
        FEDERITY_ASSIGN_OR_RETURN(store::Rows rows, transaction.Execute(sql));
        for (const store::Row& row : rows) ids.push_back(row.Text(0));
        return absl::OkStatus();
      }));
  return ids;
}

absl::StatusOr<absl::flat_hash_set<std::string>> SelectSet(store::Transaction& transaction,
                                                           std::string_view sql,
                                                           const std::string& repository) {
  FEDERITY_ASSIGN_OR_RETURN(store::Rows rows,
                            transaction.Execute(sql, store::Params().Text(repository)));
  absl::flat_hash_set<std::string> set;
  for (const store::Row& row : rows) set.insert(row.Text(0));
  return set;
}

// Whether a backup copies blobs. The lock makes HoldCollection wait for a
// collector that began before it.
absl::StatusOr<bool> IsHeld(store::Transaction& transaction, absl::Time now) {
  FEDERITY_RETURN_IF_ERROR(transaction.Execute("SELECT 1 FROM coordinator FOR SHARE").status());
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional("SELECT 1 FROM collection_holds WHERE held_until > $1 LIMIT 1",
                                store::Params().Time(now)));
  return row.has_value();
}

absl::Status CollectBlobs(store::Transaction& transaction, blobs::BlobStore& store,
                          const std::string& repository, int64_t& deleted) {
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<crypto::Digest> sealed, store.ListSealed(repository));
  if (sealed.empty()) return absl::OkStatus();
  FEDERITY_ASSIGN_OR_RETURN(const auto referenced, SelectSet(transaction, kReferenced, repository));
  for (const crypto::Digest& digest : sealed) {
    const std::string text = digest.ToString();
    if (referenced.contains(text)) continue;
    FEDERITY_RETURN_IF_ERROR(transaction
                                 .Execute("DELETE FROM blobs WHERE repository = $1 AND digest = $2",
                                          store::Params().Text(repository).Text(text))
                                 .status());
    // Files first would be wrong: a row without its file is a promise broken, a
    // file without its row is found again. But both stand under the row's lock,
    // and a commit that fails now leaves a row that nothing refers to.
    FEDERITY_RETURN_IF_ERROR(store.DeleteBlob(repository, digest, blobs::kMinCollectAge));
    ++deleted;
  }
  return absl::OkStatus();
}

absl::Status CollectPartials(store::Transaction& transaction, blobs::BlobStore& store,
                             const std::string& repository, int64_t& deleted) {
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<std::string> partials, store.ListPartial(repository));
  if (partials.empty()) return absl::OkStatus();
  FEDERITY_ASSIGN_OR_RETURN(
      const auto open,
      SelectSet(transaction, "SELECT id::text FROM uploads WHERE repository = $1 AND NOT complete",
                repository));
  for (const std::string& upload : partials) {
    if (open.contains(upload)) continue;
    FEDERITY_RETURN_IF_ERROR(store.DeletePartial(repository, upload));
    ++deleted;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GarbageReport> CollectGarbage(store::Database& database, blobs::BlobStore& blobs,
                                             absl::Time now) {
  GarbageReport report;
  FEDERITY_RETURN_IF_ERROR(
      database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        absl::StatusOr<store::Rows> rows = transaction.Execute(
            "DELETE FROM uploads WHERE expires_at <= $1", store::Params().Time(now));
        report.uploads = transaction.affected_rows();
        if (!rows.ok()) return rows.status();
        return transaction
            .Execute("DELETE FROM collection_holds WHERE held_until <= $1",
                     store::Params().Time(now))
            .status();
      }));
  FEDERITY_ASSIGN_OR_RETURN(
      const std::vector<std::string> live,
      SelectIds(database, "SELECT id FROM repositories WHERE deleted_at IS NULL"));
  for (const std::string& repository : live) {
    GarbageReport here;
    absl::Status status =
        database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
          here = GarbageReport{};
          FEDERITY_ASSIGN_OR_RETURN(const bool held, IsHeld(transaction, now));
          if (held) return absl::OkStatus();
          // Against this lock every new reference waits: rows that refer to the
          // repository take its key share, and SealUpload takes it before it
          // renames.
          FEDERITY_RETURN_IF_ERROR(
              transaction
                  .Execute("SELECT 1 FROM repositories WHERE id = $1 FOR UPDATE",
                           store::Params().Text(repository))
                  .status());
          FEDERITY_RETURN_IF_ERROR(CollectBlobs(transaction, blobs, repository, here.blobs));
          return CollectPartials(transaction, blobs, repository, here.partials);
        });
    // One repository's trouble must not keep the others' garbage.
    if (!status.ok()) {
      log::Warning("collecting garbage failed",
                   {{"repository", repository}, {"error", std::string(status.message())}});
      continue;
    }
    report.blobs += here.blobs;
    report.partials += here.partials;
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const std::vector<std::string> deleted,
      SelectIds(database, "SELECT id FROM repositories WHERE deleted_at IS NOT NULL"));
  for (const std::string& repository : deleted) {
    FEDERITY_RETURN_IF_ERROR(blobs.DeleteRepository(repository));
  }
  return report;
}

absl::Status HoldCollection(store::Transaction& transaction, std::string_view hold,
                            absl::Time until) {
  FEDERITY_RETURN_IF_ERROR(transaction.Execute("SELECT 1 FROM coordinator FOR UPDATE").status());
  return transaction
      .Execute("INSERT INTO collection_holds (id, held_until) VALUES ($1, $2) "
               "ON CONFLICT (id) DO UPDATE SET held_until = $2",
               store::Params().Text(hold).Time(until))
      .status();
}

absl::Status EndHold(store::Transaction& transaction, std::string_view hold) {
  return transaction
      .Execute("DELETE FROM collection_holds WHERE id = $1", store::Params().Text(hold))
      .status();
}

absl::Status EndAllHolds(store::Transaction& transaction) {
  return transaction.Execute("DELETE FROM collection_holds").status();
}

}  // namespace federity::repositories
