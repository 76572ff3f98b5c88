#include "common/rpc/status_codec.h"

#include <catch2/catch.hpp>

#include "common/base/errors.h"
#include "common/base/strings.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace federity::rpc {
namespace {

TEST_CASE("An error crosses the wire with reason and metadata", "[rpc]") {
  const absl::Status sent =
      Error(v1::ERROR_REASON_ROUND_STATE, "the round is over", {{"state", "COMMITTED"}});
  const grpc::Status wire = ToGrpc(sent);
  CHECK(wire.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  CHECK(wire.error_message() == "the round is over");
  google::rpc::Status details;
  REQUIRE(details.ParseFromString(wire.error_details()));
  CHECK(details.code() == 9);
  REQUIRE(details.details_size() == 1);
  google::rpc::ErrorInfo info;
  REQUIRE(details.details(0).UnpackTo(&info));
  CHECK(info.reason() == "ROUND_STATE");
  CHECK(info.domain() == "federity");

  const absl::Status received = FromGrpc(wire);
  CHECK(received.code() == sent.code());
  CHECK(received.message() == sent.message());
  CHECK(ReasonOf(received) == v1::ERROR_REASON_ROUND_STATE);
  CHECK(MetadataOf(received) == MetadataOf(sent));
}

TEST_CASE("A server that is not the coordinator is told apart from one that is away", "[rpc]") {
  const absl::Status untrusted = FromGrpc(
      {grpc::StatusCode::UNAVAILABLE, "Ssl handshake failed: SSL_ERROR_SSL: error:0A000086:SSL "
                                      "routines::certificate verify failed"});
  CHECK(IsUntrustedServer(untrusted));
  CHECK(IsRetryable(untrusted));
  CHECK(untrusted.message().find("certificate") != absl::string_view::npos);
  CHECK_FALSE(IsUntrustedServer(FromGrpc({grpc::StatusCode::UNAVAILABLE, "Socket closed"})));
  // Nor does the coordinator's own word make it one.
  CHECK_FALSE(IsUntrustedServer(FromGrpc(ToGrpc(absl::UnavailableError("certificate verify failed")))));
}

TEST_CASE("OK and errors without a reason", "[rpc]") {
  CHECK(ToGrpc(absl::OkStatus()).ok());
  CHECK(FromGrpc(grpc::Status::OK).ok());
  const absl::Status internal = FromGrpc(ToGrpc(absl::InternalError("x")));
  CHECK(absl::IsInternal(internal));
  CHECK(ReasonOf(internal) == v1::ERROR_REASON_INTERNAL);
  const absl::Status transport =
      FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "connection refused"));
  CHECK(absl::IsUnavailable(transport));
  CHECK(MetadataOf(transport).empty());
}

TEST_CASE("Details of others and broken ones are ignored", "[rpc]") {
  google::rpc::ErrorInfo info;
  info.set_reason("ROUND_STATE");
  info.set_domain("elsewhere");
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  const auto with = [](const std::string& bytes) {
    return ReasonOf(FromGrpc(grpc::Status(grpc::StatusCode::ABORTED, "x", bytes)));
  };
  CHECK(with(details.SerializeAsString()) == v1::ERROR_REASON_INTERNAL);
  CHECK(with("\xff\xff\xff") == v1::ERROR_REASON_INTERNAL);
  info.set_domain("federity");
  info.set_reason("FROM_THE_FUTURE");
  details.clear_details();
  details.add_details()->PackFrom(info);
  CHECK(with(details.SerializeAsString()) == v1::ERROR_REASON_UNSPECIFIED);
}

TEST_CASE("Trailers stay small and valid whatever the message holds", "[rpc]") {
  std::string long_text;
  while (long_text.size() < 100'000) long_text += "Süd\xff";
  const grpc::Status wire =
      ToGrpc(Error(v1::ERROR_REASON_NOT_FOUND, long_text, {{"a", long_text}, {"b", long_text}}));
  CHECK(wire.error_message().size() <= 1000);
  CHECK(wire.error_details().size() <= 4000);
  const absl::Status received = FromGrpc(wire);
  CHECK(ReasonOf(received) == v1::ERROR_REASON_NOT_FOUND);
  CHECK_FALSE(MetadataOf(received)["a"].empty());
}

TEST_CASE("Only what time can mend is retried", "[rpc]") {
  CHECK(IsRetryable(absl::UnavailableError("x")));
  CHECK(IsRetryable(absl::DeadlineExceededError("x")));
  CHECK(IsRetryable(absl::AbortedError("x")));
  CHECK(IsRetryable(absl::ResourceExhaustedError("x")));
  CHECK(IsRetryable(Error(v1::ERROR_REASON_SHUTTING_DOWN, "x")));
  CHECK_FALSE(IsRetryable(absl::OkStatus()));
  CHECK_FALSE(IsRetryable(Error(v1::ERROR_REASON_STORAGE_FULL, "x")));
  CHECK_FALSE(IsRetryable(Error(v1::ERROR_REASON_LIMIT_EXCEEDED, "x")));
  CHECK_FALSE(IsRetryable(Error(v1::ERROR_REASON_HEAD_MOVED, "x")));
  CHECK_FALSE(IsRetryable(absl::UnauthenticatedError("x")));
}

}  // namespace
}  // namespace federity::rpc
