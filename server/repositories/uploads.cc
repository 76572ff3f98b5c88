#include "server/repositories/uploads.h"

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/membership/conversions.h"
#include "server/repositories/repositories.h"
#include "server/repositories/text.h"

namespace federity::repositories {
namespace {

constexpr char kColumns[] = "id, repository, member, size_bytes, digest, complete, expires_at";

UploadRow FromRow(const store::Row& row) {
  UploadRow upload;
  upload.id = row.Text(0);
  upload.repository = row.Text(1);
  upload.member = row.Text(2);
  upload.size_bytes = row.Int(3);
  upload.digest = row.Text(4);
  upload.complete = row.Bool(5);
  upload.expires_at = row.Time(6);
  return upload;
}

absl::Status LimitExceeded(std::string_view limit, std::string_view message) {
  return Error(v1::ERROR_REASON_LIMIT_EXCEEDED, message, {{"limit", std::string(limit)}});
}

absl::Status CheckMemberLimits(store::Transaction& transaction, const NewUpload& upload,
                               const UploadLimits& limits) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Row row,
      transaction.QueryOne("SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM uploads "
                           "WHERE member = $1 AND expires_at > $2",
                           store::Params().Text(upload.member).Time(upload.now)));
  if (row.Int(0) >= limits.max_open_uploads) {
    return LimitExceeded("open_uploads",
                         StrCat("You have ", row.Int(0),
                                " open uploads, as many as are allowed; finish some, or wait until "
                                "they expire."));
  }
  if (row.Int(1) > limits.max_open_bytes - upload.size_bytes) {
    return LimitExceeded(
        "open_upload_bytes",
        StrCat("Your open uploads declare ", row.Int(1), " bytes; with ", upload.size_bytes,
               " more they would exceed ", limits.max_open_bytes, "."));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UploadRow> CreateUpload(store::Transaction& transaction, const NewUpload& upload,
                                       const UploadLimits& limits) {
  if (upload.size_bytes < 1) {
    return InvalidArgument("size_bytes", StrCat("size_bytes is ", upload.size_bytes,
                                                "; an upload has at least one byte"));
  }
  if (upload.size_bytes > limits.max_upload_bytes) {
    return Error(v1::ERROR_REASON_UPLOAD_TOO_LARGE, StrCat("The upload has ", upload.size_bytes,
                                                           " bytes; this coordinator takes at "
                                                           "most ",
                                                           limits.max_upload_bytes, "."));
  }
  if (absl::StatusOr<crypto::Digest> digest = crypto::ParseDigest(upload.digest); !digest.ok()) {
    return InvalidArgument("digest", "digest must be \"sha256:\" and 64 hexadecimal digits");
  }
  FEDERITY_RETURN_IF_ERROR(CheckMemberLimits(transaction, upload, limits));
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Row row,
      transaction.QueryOne(
          StrCat("INSERT INTO uploads (id, repository, member, size_bytes, digest, created_at, "
                 "expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ",
                 kColumns),
          store::Params()
              .Text(crypto::RandomUuid())
              .Text(upload.repository)
              .Text(upload.member)
              .Int(upload.size_bytes)
              .Text(upload.digest)
              .Time(upload.now)
              .Time(upload.now + limits.lifetime)));
  return FromRow(row);
}

absl::StatusOr<UploadRow> GetUpload(store::Transaction& transaction, std::string_view repository,
                                    std::string_view member, std::string_view upload,
                                    absl::Time now) {
  std::optional<store::Row> row;
  if (membership::IsUuid(upload)) {
    FEDERITY_ASSIGN_OR_RETURN(
        row, transaction.QueryOptional(
                 StrCat("SELECT ", kColumns,
                        " FROM uploads WHERE id = $1 AND repository = $2 AND "
                        "member = $3 AND expires_at > $4"),
                 store::Params().Text(upload).Text(repository).Text(member).Time(now)));
  }
  if (!row.has_value()) return NotFound(StrCat("the upload ", upload));
  return FromRow(*row);
}

absl::StatusOr<UploadRow> GetCompleteUpload(store::Transaction& transaction,
                                            std::string_view repository,
                                            std::string_view repository_name,
                                            std::string_view member, std::string_view upload_name,
                                            absl::Time now) {
  const std::string prefix = StrCat(repository_name, "/uploads/");
  absl::string_view id = ToAbsl(upload_name);
  if (!absl::ConsumePrefix(&id, prefix)) return NotFound(StrCat("the upload ", upload_name));
  FEDERITY_ASSIGN_OR_RETURN(UploadRow upload,
                            GetUpload(transaction, repository, member, ToStd(id), now));
  if (!upload.complete) {
    return Error(v1::ERROR_REASON_UPLOAD_INCOMPLETE,
                 StrCat("The upload ", upload_name, " is not complete; send the rest first."));
  }
  return upload;
}

absl::Status ConsumeUpload(store::Transaction& transaction, std::string_view upload) {
  return transaction.Execute("DELETE FROM uploads WHERE id = $1", store::Params().Text(upload))
      .status();
}

absl::Status ExtendUpload(store::Transaction& transaction, std::string_view upload,
                          absl::Time expires_at) {
  return transaction
      .Execute("UPDATE uploads SET expires_at = greatest(expires_at, $2) WHERE id = $1",
               store::Params().Text(upload).Time(expires_at))
      .status();
}

absl::Status SealUpload(store::Database& database, blobs::BlobWriter& writer,
                        const UploadRow& upload, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest expected, crypto::ParseDigest(upload.digest));
  bool sealed = false;
  return database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
    // The collector locks the row FOR UPDATE: between the blob's coming and the
    // row that names it, it stays out.
    FEDERITY_ASSIGN_OR_RETURN(
        std::optional<store::Row> repository,
        transaction.QueryOptional("SELECT 1 FROM repositories WHERE id = $1 AND deleted_at IS NULL "
                                  "FOR KEY SHARE",
                                  store::Params().Text(upload.repository)));
    if (!repository.has_value()) return NotFound("the repository");
    if (!sealed) {
      FEDERITY_RETURN_IF_ERROR(writer.Seal(&expected).status());
      sealed = true;
    }
    FEDERITY_RETURN_IF_ERROR(
        transaction
            .Execute("INSERT INTO blobs (repository, digest, size_bytes, created_at) "
                     "VALUES ($1, $2, $3, $4) ON CONFLICT (repository, digest) DO NOTHING",
                     store::Params()
                         .Text(upload.repository)
                         .Text(upload.digest)
                         .Int(upload.size_bytes)
                         .Time(now))
            .status());
    FEDERITY_RETURN_IF_ERROR(transaction
                                 .Execute("UPDATE uploads SET complete = true WHERE id = $1",
                                          store::Params().Text(upload.id))
                                 .status());
    if (transaction.affected_rows() == 0) return NotFound(StrCat("the upload ", upload.id));
    return absl::OkStatus();
  });
}

}  // namespace federity::repositories
