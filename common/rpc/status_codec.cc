#include "common/rpc/status_codec.h"

#include <string>

#include "absl/strings/cord.h"
#include "common/base/encoding.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace federity::rpc {
namespace {

// A message travels twice in the trailers, percent-encoded once (up to three
// bytes for one), and gRPC drops calls whose trailers exceed 8 KiB.
constexpr size_t kMaxMessageBytes = 1000;
constexpr size_t kMaxDetailBytes = 2000;

constexpr std::string_view kUntrustedServer =
    "the server's certificate is not from this coordinator's authority, not for this address, or "
    "not valid now (an intercepted connection, another server, or a wrong clock)";

google::rpc::ErrorInfo InfoFor(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(ReasonName(ReasonOf(status))));
  info.set_domain("federity");
  size_t room = kMaxDetailBytes;
  for (const auto& [key, value] : MetadataOf(status)) {
    if (key.size() > room) break;
    std::string cut = ToValidUtf8(value, room - key.size());
    room -= key.size() + cut.size();
    (*info.mutable_metadata())[key] = std::move(cut);
  }
  return info;
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status details;
  details.set_code(status.raw_code());
  details.set_message(ToValidUtf8(ToStd(status.message()), kMaxMessageBytes));
  details.add_details()->PackFrom(InfoFor(status));
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), details.message(),
                      details.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  // OpenSSL's words, through gRPC's: all that tells this from a dead link.
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && status.error_details().empty() &&
      status.error_message().find("certificate verify failed") != std::string::npos) {
    return absl::UnavailableError(ToAbsl(kUntrustedServer));
  }
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (status.error_details().empty() || !details.ParseFromString(status.error_details()))
    return result;
  for (const google::protobuf::Any& detail : details.details()) {
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&info) && info.domain() == "federity")
      result.SetPayload(ToAbsl(kErrorInfoUrl), absl::Cord(info.SerializeAsString()));
  }
  return result;
}

bool IsUntrustedServer(const absl::Status& status) {
  return absl::IsUnavailable(status) && ToStd(status.message()) == kUntrustedServer;
}

bool IsRetryable(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
      return true;
    case absl::StatusCode::kResourceExhausted:
      // With a reason it is a quota or a full disk, which time alone won't mend.
      return !status.GetPayload(ToAbsl(kErrorInfoUrl)).has_value();
    default:
      return false;
  }
}

}  // namespace federity::rpc
