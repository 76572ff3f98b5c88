#include "client/transfer/call_watchdog.h"

#include "absl/time/clock.h"

namespace federity::transfer {

CallWatchdog::CallWatchdog(grpc::ClientContext& context, const std::function<bool()>& cancelled,
                           absl::Duration stall_limit)
    : context_(context), cancelled_(cancelled), stall_limit_(stall_limit), moved_(absl::Now()) {
  thread_ = std::thread([this] { Watch(); });
}

CallWatchdog::~CallWatchdog() {
  {
    absl::MutexLock lock(&mutex_);
    done_ = true;
  }
  thread_.join();
}

void CallWatchdog::Moved() {
  absl::MutexLock lock(&mutex_);
  moved_ = absl::Now();
}

void CallWatchdog::Watch() {
  absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(&done_), absl::Milliseconds(100))) {
    if ((cancelled_ && cancelled_()) || absl::Now() - moved_ > stall_limit_) {
      context_.TryCancel();
      return;
    }
  }
}

}  // namespace federity::transfer
