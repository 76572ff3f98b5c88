#ifndef FEDERITY_SERVER_REPOSITORIES_COMMITS_H_
#define FEDERITY_SERVER_REPOSITORIES_COMMITS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/digest.h"
#include "server/store/database.h"

namespace federity::repositories {

// Versions of a model, and tags on them. All functions work within the caller's
// transaction; digests are "sha256:…" texts.

// What a commit's digest is over (docs/formats/commit.md): everything that says
// what the model is and where it comes from, nothing about who sent it when.
struct CommitStatement {
  std::string parent;  // empty: the first commit
  std::string program_digest;
  std::string weights_digest;
  std::string plan_digest;
  std::string standardisation_digest;  // empty: none
  std::optional<int64_t> round;        // its number
  std::string message;
};
crypto::Digest CommitDigest(const CommitStatement& statement);

// Sums over members' hold-outs.
struct CommitMetrics {
  int64_t examples = 0;
  double loss_sum = 0;
  std::vector<int64_t> confusion;
  int32_t contributors = 0;
};

struct CommitRow {
  std::string digest;
  int64_t version = 0;
  std::optional<std::string> parent;
  std::string program_digest;
  int64_t program_bytes = 0;
  std::string weights_digest;
  int64_t weights_bytes = 0;
  int64_t parameter_count = 0;
  std::string plan_digest;
  std::optional<std::string> standardisation_digest;
  std::string message;
  std::optional<int64_t> round;
  int32_t contribution_count = 0;
  int64_t examples = 0;  // exact
  std::string creator;   // member's resource name; empty for rounds
  absl::Time created_at;
  std::vector<std::string> tags;
  // Only where members of at least three organisations measured it.
  std::optional<CommitMetrics> metrics;
};

struct NewCommit {
  std::string repository;
  std::optional<std::string> parent;  // digest; must be the head
  std::string program_digest;
  int64_t program_bytes = 0;
  std::string weights_digest;
  int64_t weights_bytes = 0;
  int64_t parameter_count = 0;
  std::string plan_digest;
  std::optional<std::string> standardisation_digest;
  std::string message;           // empty for rounds
  std::optional<int64_t> round;  // the round's number
  int32_t contribution_count = 0;
  int64_t examples = 0;
  std::optional<std::string> creator;  // member id
  absl::Time now;
};

// Adds the commit, the rows of its blobs (which are sealed already) and moves
// the head; wakes "repository:<id>". HEAD_MOVED, with metadata "head", if the
// parent is not the head. Locks the repository's row.
absl::StatusOr<CommitRow> InsertCommit(store::Transaction& transaction, const NewCommit& commit);

// The error that says what the head is.
absl::Status HeadMoved(const std::optional<std::string>& head);

// By exact digest.
absl::StatusOr<CommitRow> GetCommit(store::Transaction& transaction, std::string_view repository,
                                    std::string_view digest);
// By what people write: digest (with or without "sha256:"), prefix of at least
// six digits, `v{version}`, tag or `head`. NOT_FOUND; INVALID_ARGUMENT for a
// prefix that several commits have, naming them.
absl::StatusOr<CommitRow> ResolveCommit(store::Transaction& transaction,
                                        std::string_view repository, std::string_view reference);
// Newest first, those below version `before` (0: from the head).
absl::StatusOr<std::vector<CommitRow>> ListCommits(store::Transaction& transaction,
                                                   std::string_view repository, int64_t before,
                                                   int limit);

struct TagRow {
  std::string name;
  std::string commit;  // digest
  absl::Time created_at;
};
// INVALID_ARGUMENT for a name that is none or that looks like another reference;
// ALREADY_EXISTS for one on another commit unless `force`.
absl::StatusOr<TagRow> SetTag(store::Transaction& transaction, std::string_view repository,
                              std::string_view name, std::string_view reference, bool force,
                              absl::Time now);
absl::Status DeleteTag(store::Transaction& transaction, std::string_view repository,
                       std::string_view name);
// By name, those after `after`.
absl::StatusOr<std::vector<TagRow>> ListTags(store::Transaction& transaction,
                                             std::string_view repository, std::string_view after,
                                             int limit);

}  // namespace federity::repositories

#endif  // FEDERITY_SERVER_REPOSITORIES_COMMITS_H_
