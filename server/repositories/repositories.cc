#include "server/repositories/repositories.h"

#include "common/base/errors.h"
#include "common/base/resource_name.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/aead.h"
#include "federity/v1/contributions.pb.h"
#include "federity/v1/rounds.pb.h"
#include "server/repositories/text.h"

namespace federity::repositories {
namespace {

// Rounds that have not ended: RECRUITING, TRAINING, MERGING.
constexpr char kSelectRunning[] =
    "SELECT number FROM rounds WHERE repository = $1 AND state IN (1, 2, 3)";

constexpr char kColumns[] =
    "r.id, r.organization, r.name, r.description, r.plan_digest, r.standardisation_digest, "
    "r.head, r.created_at, "
    "(SELECT count(*) FROM members m WHERE m.removed_at IS NULL AND (m.scope_repository = r.id "
    "OR (m.scope_organization = r.organization AND m.scope_repository IS NULL)))";

RepositoryRow FromRow(const store::Row& row) {
  RepositoryRow repository;
  repository.id = row.Text(0);
  repository.organization = row.Text(1);
  repository.name = row.Text(2);
  repository.description = row.Text(3);
  repository.plan_digest = row.OptionalText(4).value_or("");
  repository.standardisation_digest = row.OptionalText(5);
  repository.head = row.OptionalText(6);
  repository.created_at = row.Time(7);
  repository.member_count = static_cast<int32_t>(row.Int(8));
  return repository;
}

std::string KeyLabel(std::string_view repository) {
  return StrCat("federity/blob-key/v1 ", repository);
}

}  // namespace

std::string RepositoryRow::resource_name() const {
  return StrCat("organizations/", organization, "/repositories/", name);
}

absl::StatusOr<RepositoryRow> GetRepository(store::Transaction& transaction,
                                            std::string_view repository, Lock lock) {
  // NO KEY: rows that refer to the repository may still be added.
  const std::string sql =
      StrCat("SELECT ", kColumns, " FROM repositories r WHERE r.id = $1 AND r.deleted_at IS NULL",
             lock == Lock::kForUpdate ? " FOR NO KEY UPDATE OF r" : "");
  FEDERITY_ASSIGN_OR_RETURN(std::optional<store::Row> row,
                            transaction.QueryOptional(sql, store::Params().Text(repository)));
  if (!row.has_value()) return NotFound("the repository");
  return FromRow(*row);
}

absl::StatusOr<std::vector<RepositoryRow>> ListRepositories(store::Transaction& transaction,
                                                            const RepositoryFilter& filter) {
  const std::string sql =
      StrCat("SELECT ", kColumns,
             " FROM repositories r WHERE r.deleted_at IS NULL AND r.organization = $1 "
             "AND ($2 = '' OR r.id::text = $2) AND r.name > $3 COLLATE \"C\" "
             "ORDER BY r.name COLLATE \"C\" LIMIT $4");
  FEDERITY_ASSIGN_OR_RETURN(store::Rows rows,
                            transaction.Execute(sql, store::Params()
                                                         .Text(filter.organization)
                                                         .Text(filter.repository)
                                                         .Text(filter.after)
                                                         .Int(filter.limit)));
  std::vector<RepositoryRow> repositories;
  for (const store::Row& row : rows) repositories.push_back(FromRow(row));
  return repositories;
}

absl::StatusOr<std::string> CreateRepository(store::Transaction& transaction,
                                             const NewRepository& repository,
                                             const crypto::Secret& key_file) {
  if (!IsIdentifier(repository.name)) {
    return InvalidArgument("repository_id",
                           StrCat("\"", repository.name,
                                  "\" is no identifier: 1 to 63 of a-z, 0-9 and -, no hyphen first "
                                  "or last"));
  }
  FEDERITY_RETURN_IF_ERROR(CheckText("description", repository.description, 500, false));
  const std::string id = crypto::RandomUuid();
  const std::string wrapped =
      crypto::WrapSecret(key_file, KeyLabel(id), crypto::RandomSecret(crypto::kAeadKeySize));
  const std::string plan_digest = PlanDigest(repository.plan).ToString();
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("INSERT INTO repositories (id, organization, name, description, "
                   "blob_key_wrapped, created_at, plan_digest) VALUES ($1, $2, $3, $4, $5, $6, $7) "
                   "ON CONFLICT (organization, name) WHERE deleted_at IS NULL DO NOTHING",
                   store::Params()
                       .Text(id)
                       .Text(repository.organization)
                       .Text(repository.name)
                       .Text(repository.description)
                       .Bytes(wrapped)
                       .Time(repository.now)
                       .Text(plan_digest))
          .status());
  if (transaction.affected_rows() == 0) {
    return Error(v1::ERROR_REASON_ALREADY_EXISTS,
                 StrCat("The repository ", repository.organization, "/", repository.name,
                        " exists already; choose another name."));
  }
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("INSERT INTO plans (repository, digest, toml, creator, created_at) "
                   "VALUES ($1, $2, $3, $4, $5)",
                   store::Params()
                       .Text(id)
                       .Text(plan_digest)
                       .Text(FormatPlan(repository.plan))
                       .OptionalText(repository.creator)
                       .Time(repository.now))
          .status());
  return id;
}

absl::Status DeleteRepository(store::Transaction& transaction, std::string_view repository,
                              absl::Time now) {
  FEDERITY_RETURN_IF_ERROR(GetRepository(transaction, repository, Lock::kForUpdate).status());
  const auto at = [&] { return store::Params().Text(repository).Time(now); };
  struct Step {
    const char* sql;
    bool timed;
  };
  static constexpr Step kSteps[] = {
      {"UPDATE repositories SET deleted_at = $2, blob_key_wrapped = NULL WHERE id = $1", true},
      // 6: CANCELLED and ABANDONED.
      {"UPDATE contributions SET state = 6, updated_at = $2 WHERE repository = $1 AND state IN "
       "(1, 2, 3) AND round IN (SELECT number FROM rounds WHERE repository = $1 AND state IN "
       "(1, 2, 3))",
       true},
      {"UPDATE rounds SET state = 6, failure = 'the repository was deleted', ended_at = $2, "
       "due_at = NULL WHERE repository = $1 AND state IN (1, 2, 3)",
       true},
      {"UPDATE series SET ended_at = $2 WHERE repository = $1 AND ended_at IS NULL", true},
      {"UPDATE invitations SET revoked_at = $2 WHERE scope_repository = $1 AND revoked_at IS NULL",
       true},
      {"DELETE FROM uploads WHERE repository = $1", false},
  };
  for (const Step& step : kSteps) {
    FEDERITY_RETURN_IF_ERROR(
        transaction.Execute(step.sql, step.timed ? at() : store::Params().Text(repository))
            .status());
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows removed,
      transaction.Execute("UPDATE members SET removed_at = $2 WHERE scope_repository = $1 AND "
                          "removed_at IS NULL RETURNING id",
                          at()));
  // Every stream of theirs ends at once, on every replica.
  for (const store::Row& member : removed) {
    FEDERITY_RETURN_IF_ERROR(transaction.Notify(StrCat("member:", member.Text(0))));
  }
  return transaction.Notify(RepositoryTopic(repository));
}

absl::StatusOr<crypto::Secret> BlobKey(store::Transaction& transaction, std::string_view repository,
                                       const crypto::Secret& key_file) {
  FEDERITY_ASSIGN_OR_RETURN(
      std::optional<store::Row> row,
      transaction.QueryOptional(
          "SELECT blob_key_wrapped FROM repositories WHERE id = $1 AND deleted_at IS NULL",
          store::Params().Text(repository)));
  if (!row.has_value() || row->IsNull(0)) return NotFound("the repository");
  return crypto::UnwrapSecret(key_file, KeyLabel(repository), row->Bytes(0));
}

absl::Status RewrapBlobKeys(store::Transaction& transaction, const crypto::Secret& old_key_file,
                            const crypto::Secret& new_key_file) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute("SELECT id, blob_key_wrapped FROM repositories WHERE "
                          "blob_key_wrapped IS NOT NULL FOR UPDATE"));
  for (const store::Row& row : rows) {
    const std::string label = KeyLabel(row.Text(0));
    FEDERITY_ASSIGN_OR_RETURN(const crypto::Secret key,
                              crypto::UnwrapSecret(old_key_file, label, row.Bytes(1)));
    FEDERITY_RETURN_IF_ERROR(
        transaction
            .Execute("UPDATE repositories SET blob_key_wrapped = $2 WHERE id = $1",
                     store::Params().Text(row.Text(0)).Bytes(
                         crypto::WrapSecret(new_key_file, label, key)))
            .status());
  }
  return absl::OkStatus();
}

absl::Status CheckNoRoundRuns(store::Transaction& transaction, std::string_view repository) {
  FEDERITY_ASSIGN_OR_RETURN(
      std::optional<store::Row> row,
      transaction.QueryOptional(kSelectRunning, store::Params().Text(repository)));
  if (!row.has_value()) return absl::OkStatus();
  return Error(v1::ERROR_REASON_ROUND_IN_PROGRESS,
               StrCat("Round ", row->Int(0), " is running; wait for its end or cancel it."),
               {{"round", StrCat(row->Int(0))}});
}

std::string RepositoryTopic(std::string_view repository) {
  return StrCat("repository:", repository);
}

std::vector<std::string> PrivacyLines(const Plan& plan) {
  const bool masked = plan.privacy.secure_aggregation;
  const bool proved = plan.proof.policy == Plan::ProofPolicy::kTraining;
  return {
      "coordinator sees data: no",
      StrCat("coordinator sees single deltas: ", masked ? "no (only their sum)" : "yes"),
      "coordinator sees the model: yes (weights; the program is opaque to it; both encrypted at "
      "rest)",
      StrCat("merges unproven updates: ", proved ? "no" : "yes"),
  };
}

}  // namespace federity::repositories
