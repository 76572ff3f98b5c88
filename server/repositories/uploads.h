#ifndef FEDERITY_SERVER_REPOSITORIES_UPLOADS_H_
#define FEDERITY_SERVER_REPOSITORIES_UPLOADS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/digest.h"
#include "server/blobs/blob_store.h"
#include "server/store/database.h"

namespace federity::repositories {

// Bytes on their way to the coordinator. An upload belongs to the member that
// declared it: to anybody else it does not exist.

struct UploadLimits {
  int64_t max_upload_bytes = int64_t{64} << 30;
  // Of one member, not complete or not yet used.
  int64_t max_open_uploads = 64;
  int64_t max_open_bytes = int64_t{256} << 30;
  absl::Duration lifetime = absl::Hours(24);  // since the last progress
};

struct UploadRow {
  std::string id;
  std::string repository;
  std::string member;
  int64_t size_bytes = 0;
  std::string digest;  // "sha256:…", as declared
  bool complete = false;
  absl::Time expires_at;
};

struct NewUpload {
  std::string repository;
  std::string member;  // id
  int64_t size_bytes = 0;
  std::string digest;
  absl::Time now;
};
// INVALID_ARGUMENT, UPLOAD_TOO_LARGE, LIMIT_EXCEEDED.
absl::StatusOr<UploadRow> CreateUpload(store::Transaction& transaction, const NewUpload& upload,
                                       const UploadLimits& limits);

// NOT_FOUND unless it is this member's, in this repository, and not expired.
absl::StatusOr<UploadRow> GetUpload(store::Transaction& transaction, std::string_view repository,
                                    std::string_view member, std::string_view upload,
                                    absl::Time now);

// By resource name, `…/uploads/{u}` under `repository_name`; and complete, or
// UPLOAD_INCOMPLETE.
absl::StatusOr<UploadRow> GetCompleteUpload(store::Transaction& transaction,
                                            std::string_view repository,
                                            std::string_view repository_name,
                                            std::string_view member, std::string_view upload_name,
                                            absl::Time now);

// The upload is used up: its row goes, its blob stays as long as a commit or a
// contribution names it.
absl::Status ConsumeUpload(store::Transaction& transaction, std::string_view upload);

// There was progress: lives on.
absl::Status ExtendUpload(store::Transaction& transaction, std::string_view upload,
                          absl::Time expires_at);

// Seals the writer's blob, checks its digest and marks the upload complete. Not
// to be called within a transaction. DIGEST_MISMATCH; NOT_FOUND if upload or
// repository are gone meanwhile.
absl::Status SealUpload(store::Database& database, blobs::BlobWriter& writer,
                        const UploadRow& upload, absl::Time now);

}  // namespace federity::repositories

#endif  // FEDERITY_SERVER_REPOSITORIES_UPLOADS_H_
