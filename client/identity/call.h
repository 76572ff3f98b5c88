#ifndef FEDERITY_CLIENT_IDENTITY_CALL_H_
#define FEDERITY_CLIENT_IDENTITY_CALL_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <functional>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/retry_backoff.h"
#include "common/rpc/status_codec.h"

namespace federity::identity {

// How long one unary call may take, and for how long it is repeated.
struct CallOptions {
  absl::Duration deadline = absl::Seconds(30);       // of one attempt
  absl::Duration give_up_after = absl::Seconds(30);  // no further attempt after this
  // Told of each failure that is followed by another attempt; may be empty.
  std::function<void(const absl::Status&)> on_retry;
};

inline void SetDeadline(grpc::ClientContext& context, absl::Duration deadline) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
}

// One unary call, repeated with the same request (hence the same request_id)
// while rpc::IsRetryable says so, or the server cancelled it.
//   Call(*stub, &v1::RoundService::Stub::GetRound, request)
template <class Stub, class Request, class Response>
absl::StatusOr<Response> Call(
    Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
    const std::type_identity_t<Request>& request, const CallOptions& options = {}) {
  const absl::Time give_up = absl::Now() + options.give_up_after;
  Backoff backoff(absl::Milliseconds(250), absl::Seconds(5));
  while (true) {
    grpc::ClientContext context;
    SetDeadline(context, options.deadline);
    Response response;
    absl::Status status = rpc::FromGrpc((stub.*method)(&context, request, &response));
    if (status.ok()) return response;
    const absl::Duration wait = backoff.Next();
    // Nobody cancels here, so CANCELLED is a coordinator that drains.
    const bool may_help = (rpc::IsRetryable(status) && !rpc::IsUntrustedServer(status)) ||
                          absl::IsCancelled(status);
    if (!may_help || absl::Now() + wait > give_up) return status;
    if (options.on_retry) options.on_retry(status);
    absl::SleepFor(wait);
  }
}

}  // namespace federity::identity

#endif  // FEDERITY_CLIENT_IDENTITY_CALL_H_
