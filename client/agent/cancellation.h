#ifndef FEDERITY_CLIENT_AGENT_CANCELLATION_H_
#define FEDERITY_CLIENT_AGENT_CANCELLATION_H_

#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace federity::agent {

// Why work in progress ends early; the first cause stays. Thread-safe.
class Cancellation {
 public:
  enum class Cause {
    kNone,
    kUnwanted,   // the coordinator no longer wants it
    kWithdrawn,  // the operator paused, revoked or left: the coordinator is told
    kStopping,   // this process ends: the work goes on in the next one
  };

  void Cancel(Cause cause, std::string_view reason) {
    absl::MutexLock lock(&mutex_);
    if (cause_ != Cause::kNone) return;
    cause_ = cause;
    reason_ = std::string(reason);
  }
  bool cancelled() const { return cause() != Cause::kNone; }
  Cause cause() const {
    absl::MutexLock lock(&mutex_);
    return cause_;
  }
  std::string reason() const {
    absl::MutexLock lock(&mutex_);
    return reason_;
  }

 private:
  mutable absl::Mutex mutex_;
  Cause cause_ ABSL_GUARDED_BY(mutex_) = Cause::kNone;
  std::string reason_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_CANCELLATION_H_
