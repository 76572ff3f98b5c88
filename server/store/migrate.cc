#include <string>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/digest.h"
#include "common/log/log.h"
#include "server/store/database.h"
#include "server/store/migrations.h"

namespace federity::store {
namespace {

// Any number that nobody else locks: the ASCII bytes "federity".
constexpr int64_t kMigrationLock = 0x6665'6465'7269'7479;

constexpr std::string_view kCreateTable = R"sql(
CREATE TABLE IF NOT EXISTS schema_migrations (
  version int PRIMARY KEY,
  name text NOT NULL,
  checksum bytea NOT NULL,       -- SHA-256 of the file
  applied_at timestamptz NOT NULL
))sql";

// What is applied must be a prefix of what this program has. Returns its length.
absl::StatusOr<size_t> CheckApplied(Transaction& transaction) {
  const std::span<const Migration> migrations = EmbeddedMigrations();
  FEDERITY_ASSIGN_OR_RETURN(
      const Rows rows,
      transaction.Execute("SELECT version, checksum FROM schema_migrations ORDER BY version"));
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t version = rows[i].Int(0);
    if (i >= migrations.size() || version != migrations[i].version) {
      return absl::FailedPreconditionError(StrCat(
          "the database has schema version ", version, ", this program knows versions up to ",
          SchemaVersion(), "; use the newer federity-server that wrote it"));
    }
    if (rows[i].Bytes(1) != crypto::Sha256(migrations[i].sql).view()) {
      return absl::FailedPreconditionError(StrCat(
          "migration ", version, " (", migrations[i].name,
          ") of the database differs from this program's; use the release that wrote it, or a "
          "released one"));
    }
  }
  return rows.size();
}

// Applies the next missing migration; `*done` if there was none.
absl::Status ApplyNext(Transaction& transaction, bool* done) {
  // Replicas that start together queue here; the second finds the work done.
  FEDERITY_RETURN_IF_ERROR(transaction
                               .Execute("SET LOCAL statement_timeout = 0; "
                                        "SET LOCAL idle_in_transaction_session_timeout = 0")
                               .status());
  FEDERITY_RETURN_IF_ERROR(
      transaction.Execute("SELECT pg_advisory_xact_lock($1::bigint)", Params().Int(kMigrationLock))
          .status());
  FEDERITY_RETURN_IF_ERROR(transaction.Execute(kCreateTable).status());
  FEDERITY_ASSIGN_OR_RETURN(const size_t applied, CheckApplied(transaction));
  *done = applied == EmbeddedMigrations().size();
  if (*done) return absl::OkStatus();
  const Migration& next = EmbeddedMigrations()[applied];
  if (absl::Status status = transaction.Execute(next.sql).status(); !status.ok()) {
    return Annotate(status, StrCat("migration ", next.version, " (", next.name, ")"));
  }
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute(
              "INSERT INTO schema_migrations (version, name, checksum, applied_at) "
              "VALUES ($1, $2, $3, now())",
              Params().Int(next.version).Text(next.name).Bytes(crypto::Sha256(next.sql).view()))
          .status());
  log::Info("schema migrated", {{"version", StrCat(next.version)}});
  return absl::OkStatus();
}

}  // namespace

absl::Status Migrate(Database& database) {
  bool done = false;
  while (!done) {
    FEDERITY_RETURN_IF_ERROR(database.RunInTransaction(
        [&](Transaction& transaction) { return ApplyNext(transaction, &done); }));
  }
  return absl::OkStatus();
}

absl::Status CheckSchema(Database& database) {
  return database.RunInTransaction([](Transaction& transaction) -> absl::Status {
    FEDERITY_ASSIGN_OR_RETURN(
        const Row row,
        transaction.QueryOne("SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND "
                             "tablename = 'schema_migrations'"));
    size_t applied = 0;
    if (row.Int(0) != 0) {
      FEDERITY_ASSIGN_OR_RETURN(applied, CheckApplied(transaction));
    }
    if (applied == EmbeddedMigrations().size()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        StrCat("the database has schema version ", applied, ", this program ", SchemaVersion(),
               "; start the coordinator once with this program, which brings it up"));
  });
}

int SchemaVersion() { return EmbeddedMigrations().back().version; }

}  // namespace federity::store
