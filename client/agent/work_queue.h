#ifndef FEDERITY_CLIENT_AGENT_WORK_QUEUE_H_
#define FEDERITY_CLIENT_AGENT_WORK_QUEUE_H_

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/agent/cancellation.h"
#include "federity/v1/contributions.pb.h"
#include "federity/v1/statistics.pb.h"

namespace federity::agent {

// An outbox entry to bring to the coordinator.
struct Delivery {};
// Look whether the data sets still are what was registered.
struct DatasetCheck {};

// One thing to do for one membership.
struct Work {
  std::string key;         // the contribution, run or commit; unique in the queue
  std::string identity;    // the membership's id
  std::string repository;  // resource name
  std::variant<v1::TrainingAssignment, v1::StatisticsAssignment, v1::EvaluationAssignment, Delivery,
               DatasetCheck>
      order;
  int attempts = 0;
};

// Work that waits and the one piece that runs: an agent does one thing at a
// time. Bounded, so that no coordinator fills the memory. Thread-safe.
class WorkQueue {
 public:
  static constexpr size_t kMaxQueued = 64;

  // Queues work that becomes due at `not_before`; false if its key is queued or
  // running already, if the queue is full or stopped.
  bool Add(Work work, absl::Time not_before = absl::InfinitePast());

  // Waits for due work; nothing after Stop. What it returns runs until Done().
  struct Running {
    Work work;
    std::shared_ptr<Cancellation> cancellation;
  };
  std::optional<Running> Take();
  void Done();

  // Drops queued work with that key, or cancels it if it runs. Returns whether
  // there was any.
  bool Cancel(std::string_view key, Cancellation::Cause cause, std::string_view reason);
  // The same for all work that `concerned` says; returns what was dropped
  // unstarted.
  std::list<Work> CancelIf(absl::FunctionRef<bool(const Work&)> concerned,
                           Cancellation::Cause cause, std::string_view reason);
  // Cancels what runs (kStopping); Take returns nothing from now on.
  void Stop();

  // For `status`.
  std::optional<Work> Current() const;
  size_t size() const;

 private:
  struct Queued {
    Work work;
    absl::Time not_before;
  };
  std::list<Queued>::iterator NextDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::list<Queued> queued_ ABSL_GUARDED_BY(mutex_);
  std::optional<Running> running_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_WORK_QUEUE_H_
