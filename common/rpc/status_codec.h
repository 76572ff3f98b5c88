#ifndef FEDERITY_COMMON_RPC_STATUS_CODEC_H_
#define FEDERITY_COMMON_RPC_STATUS_CODEC_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace federity::rpc {

// absl::Status ↔ grpc::Status with a google.rpc.Status in its details that
// holds exactly one ErrorInfo (reason, domain "federity", metadata).
grpc::Status ToGrpc(const absl::Status& status);
// Errors of the transport (UNAVAILABLE, DEADLINE_EXCEEDED) come without reason.
absl::Status FromGrpc(const grpc::Status& status);

// Whether the call failed because the server's certificate is not one of the
// coordinator's. Its code is UNAVAILABLE: what waits for long may try again (a
// clock is set, a certificate renewed), a person should be told at once.
bool IsUntrustedServer(const absl::Status& status);

// Whether a call that failed so may be repeated with the same request_id:
// UNAVAILABLE, DEADLINE_EXCEEDED, ABORTED, and RESOURCE_EXHAUSTED without a reason.
bool IsRetryable(const absl::Status& status);

}  // namespace federity::rpc

#endif  // FEDERITY_COMMON_RPC_STATUS_CODEC_H_
