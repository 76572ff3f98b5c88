#include "common/base/errors.h"

#include "absl/strings/cord.h"
#include "common/base/encoding.h"
#include "common/base/strings.h"
#include "google/rpc/error_details.pb.h"

namespace federity {
namespace {

constexpr std::string_view kPrefix = "ERROR_REASON_";
constexpr size_t kMaxMetadataValue = 2000;

// The only place that gives a reason its canonical code. ABORTED and
// UNAVAILABLE invite clients to repeat the call, so they stand only where a
// repetition can succeed.
absl::StatusCode CodeOf(ErrorReason reason) {
  switch (reason) {
    case v1::ERROR_REASON_INVALID_ARGUMENT:
    case v1::ERROR_REASON_REQUEST_ID_REUSED:
    case v1::ERROR_REASON_PAGE_TOKEN_INVALID:
    case v1::ERROR_REASON_CERTIFICATE_REQUEST_INVALID:
    case v1::ERROR_REASON_PLAN_INVALID:
    case v1::ERROR_REASON_WEIGHTS_INVALID:
    case v1::ERROR_REASON_TENSORS_MISMATCH:
    case v1::ERROR_REASON_DIGEST_MISMATCH:
    case v1::ERROR_REASON_UPLOAD_TOO_LARGE:
    case v1::ERROR_REASON_DELTA_MALFORMED:
    case v1::ERROR_REASON_METRICS_INVALID:
      return absl::StatusCode::kInvalidArgument;
    case v1::ERROR_REASON_NOT_FOUND:
      return absl::StatusCode::kNotFound;
    case v1::ERROR_REASON_ALREADY_EXISTS:
    case v1::ERROR_REASON_CONTRIBUTION_DUPLICATE:
      return absl::StatusCode::kAlreadyExists;
    case v1::ERROR_REASON_CERTIFICATE_REQUIRED:
    case v1::ERROR_REASON_MEMBER_REMOVED:
    case v1::ERROR_REASON_SIGNATURE_INVALID:
      return absl::StatusCode::kUnauthenticated;
    case v1::ERROR_REASON_ROLE_REQUIRED:
    case v1::ERROR_REASON_METHOD_DENIED:
    case v1::ERROR_REASON_INVITATION_INVALID:
      return absl::StatusCode::kPermissionDenied;
    case v1::ERROR_REASON_FEATURE_NOT_AVAILABLE:
      return absl::StatusCode::kUnimplemented;
    case v1::ERROR_REASON_LIMIT_EXCEEDED:
    case v1::ERROR_REASON_STORAGE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case v1::ERROR_REASON_SHUTTING_DOWN:
      return absl::StatusCode::kUnavailable;
    case v1::ERROR_REASON_BLOB_CORRUPT:
      return absl::StatusCode::kDataLoss;
    case v1::ERROR_REASON_OFFSET_MISMATCH:
    case v1::ERROR_REASON_DELTA_NORM_EXCEEDED:
    case v1::ERROR_REASON_DELTA_NOT_FINITE:
      return absl::StatusCode::kOutOfRange;
    case v1::ERROR_REASON_VERSION_UNSUPPORTED:
    case v1::ERROR_REASON_INVITATION_EXPIRED:
    case v1::ERROR_REASON_INVITATION_USED:
    case v1::ERROR_REASON_INVITATION_REVOKED:
    case v1::ERROR_REASON_INVITATION_KIND_MISMATCH:
    case v1::ERROR_REASON_NONCE_INVALID:
    case v1::ERROR_REASON_LAST_OWNER:
    case v1::ERROR_REASON_NOTHING_CHANGED:
    case v1::ERROR_REASON_HEAD_MOVED:
    case v1::ERROR_REASON_UPLOAD_INCOMPLETE:
    case v1::ERROR_REASON_ROUND_IN_PROGRESS:
    case v1::ERROR_REASON_ROUND_STATE:
    case v1::ERROR_REASON_TOO_FEW_MEMBERS:
    case v1::ERROR_REASON_STANDARDISATION_MISSING:
    case v1::ERROR_REASON_OVERFLOW_POSSIBLE:
    case v1::ERROR_REASON_TOO_FEW_CONTRIBUTIONS:
    case v1::ERROR_REASON_COORDINATOR_RESTORED:
    case v1::ERROR_REASON_CONTRIBUTION_LATE:
    case v1::ERROR_REASON_APPROVAL_OUTDATED:
    case v1::ERROR_REASON_CONTRIBUTOR_SILENT:
    case v1::ERROR_REASON_CONTRIBUTION_WITHDRAWN:
    case v1::ERROR_REASON_TOO_FEW_ROWS:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kInternal;
  }
}

google::rpc::ErrorInfo InfoOf(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  const auto payload = status.GetPayload(ToAbsl(kErrorInfoUrl));
  if (payload.has_value() && !info.ParseFromString(std::string(*payload))) info.Clear();
  return info;
}

}  // namespace

absl::Status Error(ErrorReason reason, std::string_view message, ErrorMetadata metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(ReasonName(reason)));
  info.set_domain("federity");
  for (const auto& [key, value] : metadata)
    (*info.mutable_metadata())[key] = ToValidUtf8(value, kMaxMetadataValue);
  absl::Status status(CodeOf(reason), {message.data(), message.size()});
  status.SetPayload(ToAbsl(kErrorInfoUrl), absl::Cord(info.SerializeAsString()));
  return status;
}

absl::Status InvalidArgument(std::string_view field, std::string_view message) {
  return Error(v1::ERROR_REASON_INVALID_ARGUMENT, message, {{"field", std::string(field)}});
}

absl::Status NotFound(std::string_view what) {
  return Error(v1::ERROR_REASON_NOT_FOUND,
               StrCat(what, " does not exist, or you may not know that it does"),
               {{"resource", std::string(what)}});
}

ErrorReason ReasonOf(const absl::Status& status) {
  if (status.ok()) return v1::ERROR_REASON_UNSPECIFIED;
  const google::rpc::ErrorInfo info = InfoOf(status);
  if (info.reason().empty()) return v1::ERROR_REASON_INTERNAL;
  return ReasonFromName(info.reason());
}

ErrorMetadata MetadataOf(const absl::Status& status) {
  const google::rpc::ErrorInfo info = InfoOf(status);
  return ErrorMetadata(info.metadata().begin(), info.metadata().end());
}

std::string_view ReasonName(ErrorReason reason) {
  std::string_view name = v1::ErrorReason_Name(reason);  // static storage; empty if unknown
  if (name.substr(0, kPrefix.size()) == kPrefix) name.remove_prefix(kPrefix.size());
  return name;
}

ErrorReason ReasonFromName(std::string_view name) {
  ErrorReason reason = v1::ERROR_REASON_UNSPECIFIED;
  v1::ErrorReason_Parse(StrCat(kPrefix, name), &reason);
  return reason;
}

absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), StrCat(context, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

}  // namespace federity
