#ifndef FEDERITY_SERVER_ROUNDS_ROUND_WORKER_H_
#define FEDERITY_SERVER_ROUNDS_ROUND_WORKER_H_

#include <functional>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/rounds/round_context.h"
#include "server/rounds/round_machine.h"
#include "server/store/database.h"

namespace federity::rounds {

// The threads of a replica that drive its share of the rounds: one that steps,
// and bounded pools that verify and merge. They sleep until a notification of
// "rounds", the next due time, or the poll interval. Start once, Stop (or
// destroy) before what the dependencies name goes. Thread-safe.
class RoundWorker {
 public:
  explicit RoundWorker(const RoundDependencies& dependencies, RoundOptions options = {});
  ~RoundWorker();
  RoundWorker(const RoundWorker&) = delete;
  RoundWorker& operator=(const RoundWorker&) = delete;

  void Start();
  // Ends the threads after the step, or the block of a merge or verification, that
  // each is in. Work under way is given back.
  void Stop();

  RoundMachine& machine() { return machine_; }

 private:
  // One thread's life: `work` until it has nothing to do, then wait for a
  // wake-up or until `next_due`.
  void Run(std::string_view what, const std::function<absl::StatusOr<bool>()>& work,
           const std::function<absl::StatusOr<absl::Time>()>& next_due);
  void Wake();

  store::Database& database_;
  const Clock& clock_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  RoundMachine machine_;
  int64_t wakes_ ABSL_GUARDED_BY(mutex_) = 0;  // grows with each wake-up
  std::unique_ptr<store::Subscription> subscription_;
  std::vector<std::thread> threads_;
};

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_ROUND_WORKER_H_
