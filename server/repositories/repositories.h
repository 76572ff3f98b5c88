#ifndef FEDERITY_SERVER_REPOSITORIES_REPOSITORIES_H_
#define FEDERITY_SERVER_REPOSITORIES_REPOSITORIES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/secret.h"
#include "common/plan/plan.h"
#include "server/blobs/blob_store.h"
#include "server/store/database.h"

namespace federity::repositories {

// A model's home. `repository` in this folder is a row's id, a UUID; digests are
// "sha256:…" texts as in the tables. All functions work within the caller's
// transaction; as thread-safe as that.

struct RepositoryRow {
  std::string id;
  std::string organization;
  std::string name;  // identifier
  std::string description;
  std::string plan_digest;
  std::optional<std::string> standardisation_digest;
  std::optional<std::string> head;  // digest of the newest commit
  absl::Time created_at;
  int32_t member_count = 0;  // with those of the organisation's namespace

  // "organizations/o/repositories/r".
  std::string resource_name() const;
};

enum class Lock { kNone, kForUpdate };

// NOT_FOUND also once it is deleted. kForUpdate makes changes of its head, plan
// and standardisation wait.
absl::StatusOr<RepositoryRow> GetRepository(store::Transaction& transaction,
                                            std::string_view repository, Lock lock = Lock::kNone);

// Those of one organisation, or one alone, by name, those after `after`.
struct RepositoryFilter {
  std::string organization;
  std::string repository;  // id; empty: all of the organisation
  std::string after;       // name
  int limit = 50;
};
absl::StatusOr<std::vector<RepositoryRow>> ListRepositories(store::Transaction& transaction,
                                                            const RepositoryFilter& filter);

struct NewRepository {
  std::string organization;
  std::string name;
  std::string description;
  Plan plan;
  std::optional<std::string> creator;  // member id
  absl::Time now;
};
// Makes it with a blob key of its own, wrapped by the key file's. Returns its
// id. INVALID_ARGUMENT; ALREADY_EXISTS.
absl::StatusOr<std::string> CreateRepository(store::Transaction& transaction,
                                             const NewRepository& repository,
                                             const crypto::Secret& key_file);

// Destroys the blob key, cancels its running round, removes members, invitations
// and uploads, wakes whoever watches. Its blobs' files are for the caller to
// delete after the commit; the collector does it otherwise.
absl::Status DeleteRepository(store::Transaction& transaction, std::string_view repository,
                              absl::Time now);

// The blob key, 32 bytes; NOT_FOUND once the repository is deleted.
absl::StatusOr<crypto::Secret> BlobKey(store::Transaction& transaction, std::string_view repository,
                                       const crypto::Secret& key_file);

// Seals every repository's key by another key file; blobs stay as they are.
absl::Status RewrapBlobKeys(store::Transaction& transaction, const crypto::Secret& old_key_file,
                            const crypto::Secret& new_key_file);

// ROUND_IN_PROGRESS while a round recruits, trains or merges.
absl::Status CheckNoRoundRuns(store::Transaction& transaction, std::string_view repository);

// "repository:<id>": what changes of head, plan and standardisation notify.
std::string RepositoryTopic(std::string_view repository);

// What the coordinator sees and merges under a plan, a line each.
std::vector<std::string> PrivacyLines(const Plan& plan);

}  // namespace federity::repositories

#endif  // FEDERITY_SERVER_REPOSITORIES_REPOSITORIES_H_
