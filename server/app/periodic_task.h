#ifndef FEDERITY_SERVER_APP_PERIODIC_TASK_H_
#define FEDERITY_SERVER_APP_PERIODIC_TASK_H_

#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace federity::app {

// Runs a function now and then on a thread of its own, first after one
// interval (jittered by a tenth, so that replicas do not march in step). An
// error is logged and the next turn tries again. The destructor waits for a
// running turn. Thread-safe.
class PeriodicTask {
 public:
  PeriodicTask(std::string name, absl::Duration interval, std::function<absl::Status()> run);
  ~PeriodicTask();

 private:
  void Loop();

  const std::string name_;
  const absl::Duration interval_;
  const std::function<absl::Status()> run_;
  absl::Mutex mu_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace federity::app

#endif  // FEDERITY_SERVER_APP_PERIODIC_TASK_H_
