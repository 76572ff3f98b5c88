#ifndef FEDERITY_SERVER_REPOSITORIES_PUSH_H_
#define FEDERITY_SERVER_REPOSITORIES_PUSH_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/secret.h"
#include "server/blobs/blob_store.h"
#include "server/repositories/commits.h"
#include "server/store/database.h"

namespace federity::repositories {

// Commits that people make. A push comes in two steps, because its weights are
// read from end to end (gigabytes, perhaps), which no transaction should wait
// for: CheckPush without one, then Push within the call's.

struct PushRequest {
  std::string repository;
  std::string repository_name;
  std::string member;          // id of the caller
  std::string parent_commit;   // resource name; empty: the first commit
  std::string program_upload;  // resource name; empty: the parent's program
  std::string weights_upload;  // resource name
  std::string message;
  absl::Time now;
};

// What a push holds, checked.
struct CheckedPush {
  PushRequest request;
  std::optional<std::string> parent;  // digest
  std::string program_digest;
  int64_t program_bytes = 0;
  std::string weights_digest;
  int64_t weights_bytes = 0;
  int64_t parameter_count = 0;
};

// NOT_FOUND and UPLOAD_INCOMPLETE for the uploads; HEAD_MOVED; ROUND_IN_PROGRESS;
// NOTHING_CHANGED; WEIGHTS_INVALID; TENSORS_MISMATCH where the program stays;
// CANCELLED as CheckWeightsFinite.
absl::StatusOr<CheckedPush> CheckPush(store::Database& database, blobs::BlobStore& blobs,
                                      const crypto::Secret& key_file, PushRequest request,
                                      const std::function<bool()>& cancelled);

// Makes the commit and uses up the uploads. HEAD_MOVED and the like if things
// changed since CheckPush.
absl::StatusOr<CommitRow> Push(store::Transaction& transaction, const CheckedPush& push);

struct RevertRequest {
  std::string repository;
  std::string reference;  // as ResolveCommit takes it
  std::string member;     // id of the caller
  std::string message;    // empty: says what was reverted to
  absl::Time now;
};
// A new commit on the head with an earlier one's program and weights; its plan and
// standardisation are in force again. NOT_FOUND; NOTHING_CHANGED; ROUND_IN_PROGRESS.
absl::StatusOr<CommitRow> Revert(store::Transaction& transaction, const RevertRequest& request);

}  // namespace federity::repositories

#endif  // FEDERITY_SERVER_REPOSITORIES_PUSH_H_
