#ifndef FEDERITY_CLIENT_AGENT_WATCHER_H_
#define FEDERITY_CLIENT_AGENT_WATCHER_H_

#include <grpcpp/client_context.h>

#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/agent/context.h"
#include "client/agent/work_queue.h"

namespace federity::agent {

// One membership's stream of assignments: says what this machine offers, takes
// orders, and is opened again after every break (with jittered backoff), when
// the offer changes, when the certificate is due for renewal, or when the
// coordinator was silent for too long. Owns a thread. Thread-safe.
class Watcher {
 public:
  struct Events {
    std::function<void(Work)> on_work;
    // Name of a contribution or statistics run, and why.
    std::function<void(std::string name, std::string reason)> on_cancelled;
  };

  // `context` must outlive it.
  Watcher(Context& context, identity::Identity identity, Events events);
  ~Watcher();

  // Opens the stream anew if it no longer says what is true; call it after
  // changes and every few seconds.
  void Refresh();

  const identity::Identity& identity() const { return identity_; }
  // "connected since … to …", "connecting", "offline: …".
  std::string connection() const;
  bool connected() const;

 private:
  void Loop();
  // One stream from opening to end; whether the coordinator answered.
  bool Stream();
  void Handle(const v1::WatchAssignmentsResponse& event);
  void HandleRepository(const v1::RepositoryState& repository);
  void HandOver(std::string key, decltype(Work::order) order);
  v1::WatchAssignmentsRequest Offer() const;
  absl::Time RenewTime() const;
  void EndStream() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetFailure(const absl::Status& status);

  Context& context_;
  const identity::Identity identity_;
  const Events events_;
  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool reopen_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;  // while a stream is open
  std::string offered_ ABSL_GUARDED_BY(mutex_);                  // serialised, by the open stream
  absl::Time renew_time_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Time heard_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time connected_since_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::string peer_ ABSL_GUARDED_BY(mutex_);  // "203.0.113.5:8443", while connected
  std::string failure_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_WATCHER_H_
