#include "server/repositories/commits.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/repositories/repositories.h"
#include "server/repositories/rows.h"
#include "server/repositories/text.h"

namespace federity::repositories {
namespace {

constexpr size_t kMinPrefixDigits = 6;

// A commit with its tags and what was measured of it.
std::string SelectCommits(std::string_view condition) {
  return StrCat(
      "SELECT c.digest, c.version, c.parent, c.program_digest, c.program_bytes, c.weights_digest, "
      "c.weights_bytes, c.parameter_count, c.plan_digest, c.standardisation_digest, c.message, "
      "c.round, c.contribution_count, c.examples, ",
      kCreatorName,
      ", c.created_at, "
      "(SELECT string_agg(t.name, ',' ORDER BY t.name COLLATE \"C\") FROM tags t "
      " WHERE t.repository = c.repository AND t.commit = c.digest), "
      "e.members, e.examples, e.loss_sum, "
      "(SELECT string_agg(s.total::text, ',' ORDER BY s.place) FROM "
      "  (SELECT u.place, sum(u.n) AS total FROM evaluations v, "
      "   unnest(v.confusion) WITH ORDINALITY AS u(n, place) "
      "   WHERE v.repository = c.repository AND v.commit = c.digest AND v.examples > 0 "
      "   GROUP BY u.place) s) "
      "FROM commits c LEFT JOIN members m ON m.id = c.creator "
      "LEFT JOIN repositories mr ON mr.id = m.scope_repository "
      "LEFT JOIN LATERAL (SELECT count(*) AS members, sum(v.examples)::bigint AS examples, "
      "  sum(v.loss_sum) AS loss_sum FROM evaluations v "
      "  WHERE v.repository = c.repository AND v.commit = c.digest AND v.examples > 0) e "
      "  ON c.measured_at IS NOT NULL "
      "WHERE c.repository = $1 ",
      condition);
}

CommitRow FromRow(const store::Row& row) {
  CommitRow commit;
  commit.digest = row.Text(0);
  commit.version = row.Int(1);
  commit.parent = row.OptionalText(2);
  commit.program_digest = row.Text(3);
  commit.program_bytes = row.Int(4);
  commit.weights_digest = row.Text(5);
  commit.weights_bytes = row.Int(6);
  commit.parameter_count = row.Int(7);
  commit.plan_digest = row.Text(8);
  commit.standardisation_digest = row.OptionalText(9);
  commit.message = row.Text(10);
  if (!row.IsNull(11)) commit.round = row.Int(11);
  commit.contribution_count = static_cast<int32_t>(row.Int(12));
  commit.examples = row.Int(13);
  commit.creator = row.Text(14);
  commit.created_at = row.Time(15);
  if (!row.IsNull(16)) commit.tags = absl::StrSplit(row.Text(16), ',');
  if (!row.IsNull(17)) {
    CommitMetrics metrics;
    metrics.contributors = static_cast<int32_t>(row.Int(17));
    metrics.examples = row.Int(18);
    metrics.loss_sum = row.Real(19);
    if (!row.IsNull(20)) metrics.confusion = ParseIntegers(row.Text(20));
    commit.metrics = std::move(metrics);
  }
  return commit;
}

absl::Status InsertBlobRow(store::Transaction& transaction, const NewCommit& commit,
                           std::string_view digest, int64_t size_bytes) {
  return transaction
      .Execute(
          "INSERT INTO blobs (repository, digest, size_bytes, created_at) "
          "VALUES ($1, $2, $3, $4) ON CONFLICT (repository, digest) DO NOTHING",
          store::Params().Text(commit.repository).Text(digest).Int(size_bytes).Time(commit.now))
      .status();
}

absl::Status InsertCommitRow(store::Transaction& transaction, const NewCommit& commit,
                             std::string_view digest) {
  store::Params params;
  params.Text(commit.repository).Text(digest).OptionalText(commit.parent);
  params.Text(commit.program_digest).Int(commit.program_bytes);
  params.Text(commit.weights_digest).Int(commit.weights_bytes).Int(commit.parameter_count);
  params.Text(commit.plan_digest).OptionalText(commit.standardisation_digest);
  params.Text(commit.message);
  if (commit.round.has_value()) {
    params.Int(*commit.round);
  } else {
    params.Null();
  }
  params.Int(commit.contribution_count).Int(commit.examples).OptionalText(commit.creator);
  params.Time(commit.now);
  return transaction
      .Execute(
          "INSERT INTO commits (repository, digest, version, parent, program_digest, "
          "program_bytes, weights_digest, weights_bytes, parameter_count, plan_digest, "
          "standardisation_digest, message, round, contribution_count, examples, creator, "
          "created_at) SELECT $1, $2, coalesce(max(c.version), 0) + 1, $3, $4, $5, $6, $7, "
          "$8, $9, $10, $11, $12, $13, $14, $15, $16 FROM commits c WHERE c.repository = $1",
          params)
      .status();
}

bool IsLowerHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
  });
}

absl::StatusOr<std::optional<CommitRow>> FindOne(store::Transaction& transaction,
                                                 std::string_view condition,
                                                 const store::Params& params) {
  FEDERITY_ASSIGN_OR_RETURN(std::optional<store::Row> row,
                            transaction.QueryOptional(SelectCommits(condition), params));
  if (!row.has_value()) return std::optional<CommitRow>();
  return std::optional<CommitRow>(FromRow(*row));
}

absl::StatusOr<std::optional<CommitRow>> FindByPrefix(store::Transaction& transaction,
                                                      std::string_view repository,
                                                      std::string_view digits) {
  FEDERITY_ASSIGN_OR_RETURN(
      store::Rows rows,
      transaction.Execute(
          SelectCommits("AND starts_with(c.digest, $2) ORDER BY c.version DESC LIMIT 10"),
          store::Params().Text(repository).Text(StrCat("sha256:", digits))));
  if (rows.empty()) return std::optional<CommitRow>();
  if (rows.size() == 1) return std::optional<CommitRow>(FromRow(rows[0]));
  const std::string list = absl::StrJoin(rows, ", ", [](std::string* out, const store::Row& row) {
    out->append(StrCat("v", row.Int(1), " ", HexOfDigest(row.Text(0)).substr(0, 12)));
  });
  return InvalidArgument(
      "name", StrCat("Several commits begin with ", digits, ": ", list, "; give more digits."));
}

}  // namespace

crypto::Digest CommitDigest(const CommitStatement& statement) {
  // The message stands last and unescaped: nothing follows that it could forge.
  return crypto::Sha256(StrCat(
      "federity/commit/v1\nparent=", statement.parent, "\nprogram=", statement.program_digest,
      "\nweights=", statement.weights_digest, "\nplan=", statement.plan_digest,
      "\nstandardisation=", statement.standardisation_digest,
      "\nround=", statement.round.has_value() ? StrCat(*statement.round) : std::string(),
      "\nmessage=", statement.message));
}

absl::Status HeadMoved(const std::optional<std::string>& head) {
  return Error(v1::ERROR_REASON_HEAD_MOVED,
               head.has_value()
                   ? StrCat("The head of the repository is ", *head,
                            ", not the parent that was given; pull it and try again.")
                   : std::string("The repository has no commit yet, so there is no parent."),
               {{"head", head.value_or("")}});
}

absl::StatusOr<CommitRow> InsertCommit(store::Transaction& transaction, const NewCommit& commit) {
  FEDERITY_ASSIGN_OR_RETURN(const RepositoryRow repository,
                            GetRepository(transaction, commit.repository, Lock::kForUpdate));
  if (repository.head != commit.parent) return HeadMoved(repository.head);
  CommitStatement statement;
  statement.parent = commit.parent.value_or("");
  statement.program_digest = commit.program_digest;
  statement.weights_digest = commit.weights_digest;
  statement.plan_digest = commit.plan_digest;
  statement.standardisation_digest = commit.standardisation_digest.value_or("");
  statement.round = commit.round;
  statement.message = commit.message;
  const std::string digest = CommitDigest(statement).ToString();

  FEDERITY_RETURN_IF_ERROR(
      InsertBlobRow(transaction, commit, commit.program_digest, commit.program_bytes));
  FEDERITY_RETURN_IF_ERROR(
      InsertBlobRow(transaction, commit, commit.weights_digest, commit.weights_bytes));
  FEDERITY_RETURN_IF_ERROR(InsertCommitRow(transaction, commit, digest));
  FEDERITY_RETURN_IF_ERROR(transaction
                               .Execute("UPDATE repositories SET head = $2 WHERE id = $1",
                                        store::Params().Text(commit.repository).Text(digest))
                               .status());
  FEDERITY_RETURN_IF_ERROR(transaction.Notify(RepositoryTopic(commit.repository)));
  return GetCommit(transaction, commit.repository, digest);
}

absl::StatusOr<CommitRow> GetCommit(store::Transaction& transaction, std::string_view repository,
                                    std::string_view digest) {
  FEDERITY_ASSIGN_OR_RETURN(
      std::optional<CommitRow> commit,
      FindOne(transaction, "AND c.digest = $2", store::Params().Text(repository).Text(digest)));
  if (!commit.has_value()) return NotFound(StrCat("the commit ", digest));
  return *std::move(commit);
}

absl::StatusOr<CommitRow> ResolveCommit(store::Transaction& transaction,
                                        std::string_view repository, std::string_view reference) {
  const std::string text(reference);
  std::optional<CommitRow> commit;
  int64_t version = 0;
  const std::string digits = HexOfDigest(text);
  if (text == "head") {
    FEDERITY_ASSIGN_OR_RETURN(
        commit, FindOne(transaction, "AND c.digest = (SELECT head FROM repositories WHERE id = $1)",
                        store::Params().Text(repository)));
    if (!commit.has_value()) return NotFound("The head (the repository has no commit yet)");
    return *std::move(commit);
  }
  if (text.size() > 1 && text[0] == 'v' && std::all_of(text.begin() + 1, text.end(), [](char c) {
        return absl::ascii_isdigit(static_cast<unsigned char>(c));
      })) {
    if (absl::SimpleAtoi(text.substr(1), &version)) {
      FEDERITY_ASSIGN_OR_RETURN(commit, FindOne(transaction, "AND c.version = $2",
                                                store::Params().Text(repository).Int(version)));
    }
  } else {
    // A tag before a prefix: tags like "facade" are also hexadecimal.
    FEDERITY_ASSIGN_OR_RETURN(
        commit,
        FindOne(transaction,
                "AND c.digest = (SELECT commit FROM tags WHERE repository = $1 AND name = $2)",
                store::Params().Text(repository).Text(text)));
    if (!commit.has_value() && digits.size() >= kMinPrefixDigits && digits.size() <= 64 &&
        IsLowerHex(digits)) {
      FEDERITY_ASSIGN_OR_RETURN(commit, FindByPrefix(transaction, repository, digits));
    }
  }
  if (!commit.has_value()) return NotFound(StrCat("the commit ", text));
  return *std::move(commit);
}

absl::StatusOr<std::vector<CommitRow>> ListCommits(store::Transaction& transaction,
                                                   std::string_view repository, int64_t before,
                                                   int limit) {
  FEDERITY_ASSIGN_OR_RETURN(
      store::Rows rows,
      transaction.Execute(SelectCommits("AND ($2::bigint = 0 OR c.version < $2::bigint) "
                                        "ORDER BY c.version DESC LIMIT $3"),
                          store::Params().Text(repository).Int(before).Int(limit)));
  std::vector<CommitRow> commits;
  for (const store::Row& row : rows) commits.push_back(FromRow(row));
  return commits;
}

}  // namespace federity::repositories
