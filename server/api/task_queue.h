#ifndef FEDERITY_SERVER_API_TASK_QUEUE_H_
#define FEDERITY_SERVER_API_TASK_QUEUE_H_

#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace federity::api {

// A few threads for what waiting streams have to do now and then, so that no
// stream owns one and the database's notifier is never held up. Thread-safe.
class TaskQueue {
 public:
  explicit TaskQueue(int threads);
  ~TaskQueue();
  TaskQueue(const TaskQueue&) = delete;
  TaskQueue& operator=(const TaskQueue&) = delete;

  // Runs `task` on one of the threads, `delay` from now at the earliest. After
  // Stop it is dropped.
  void Post(std::function<void()> task, absl::Duration delay = absl::ZeroDuration());
  // Waits for the tasks that run, drops the rest. Not from within a task.
  void Stop();

 private:
  void Run();

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::multimap<absl::Time, std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_TASK_QUEUE_H_
