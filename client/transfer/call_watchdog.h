#ifndef FEDERITY_CLIENT_TRANSFER_CALL_WATCHDOG_H_
#define FEDERITY_CLIENT_TRANSFER_CALL_WATCHDOG_H_

#include <grpcpp/client_context.h>

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace federity::transfer {

// Ends a blocking call that nobody wants any more or that has not moved for too
// long: keepalive notices a dead link, this a coordinator that is stuck. Lives
// while the call does; `context` and `cancelled` (may be empty) must outlive it.
// Thread-safe.
class CallWatchdog {
 public:
  CallWatchdog(grpc::ClientContext& context, const std::function<bool()>& cancelled,
               absl::Duration stall_limit);
  ~CallWatchdog();
  // The call made progress.
  void Moved();

 private:
  void Watch();

  grpc::ClientContext& context_;
  const std::function<bool()>& cancelled_;
  const absl::Duration stall_limit_;
  absl::Mutex mutex_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time moved_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace federity::transfer

#endif  // FEDERITY_CLIENT_TRANSFER_CALL_WATCHDOG_H_
