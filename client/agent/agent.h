#ifndef FEDERITY_CLIENT_AGENT_AGENT_H_
#define FEDERITY_CLIENT_AGENT_AGENT_H_

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/agent/context.h"
#include "client/agent/progress_reporter.h"
#include "client/agent/runner.h"
#include "client/agent/watcher.h"
#include "client/agent/work_queue.h"

namespace federity::agent {

// The daemon without its control socket: a watcher for each membership, one
// worker, a progress reporter and a housekeeper. Works from construction to
// destruction; the outbox of an earlier process comes first. Destruction stops
// the trainer and keeps the outbox. Thread-safe.
class Agent {
 public:
  // `context` must outlive it.
  explicit Agent(Context& context);
  ~Agent();

  // What `status` shows of a running daemon: {"memberships": {ID: {"connection",
  // "last_error"}}, "work": {"key", "kind", "phase", "fraction"}, "queued"}.
  nlohmann::json Live() const;

 private:
  void RunWork();
  void Keep();
  void Reconcile();
  void StopWithdrawn();
  void CheckDatasets(bool all);
  void Accept(Work work);
  void ResumeOutbox();
  std::string WhyWithdrawn(const Work& work) const;
  void SetError(const std::string& identity, std::string text);

  Context& context_;
  WorkQueue queue_;
  ProgressReporter progress_;
  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::unique_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(watchers_mutex_);
  mutable absl::Mutex watchers_mutex_;
  std::map<std::string, std::string> errors_ ABSL_GUARDED_BY(mutex_);
  std::thread worker_;
  std::thread housekeeper_;
};

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_AGENT_H_
