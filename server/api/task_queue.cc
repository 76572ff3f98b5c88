#include "server/api/task_queue.h"

#include <utility>

namespace federity::api {

TaskQueue::TaskQueue(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

TaskQueue::~TaskQueue() { Stop(); }

void TaskQueue::Post(std::function<void()> task, absl::Duration delay) {
  absl::MutexLock lock(&mutex_);
  if (!stopping_) tasks_.emplace(absl::Now() + delay, std::move(task));
}

void TaskQueue::Stop() {
  std::multimap<absl::Time, std::function<void()>> dropped;  // freed without the lock
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    dropped.swap(tasks_);
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void TaskQueue::Run() {
  for (;;) {
    std::function<void()> task;
    {
      absl::MutexLock lock(&mutex_);
      const absl::Time next = tasks_.empty() ? absl::InfiniteFuture() : tasks_.begin()->first;
      // True also for a task that comes earlier than the one waited for: the
      // mutex asks at each unlock, and the wait starts anew with its time.
      const auto woken = [this, next]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || (!tasks_.empty() && tasks_.begin()->first < next);
      };
      mutex_.AwaitWithDeadline(absl::Condition(&woken), next);
      if (stopping_) return;
      if (tasks_.empty() || tasks_.begin()->first > absl::Now()) continue;
      task = std::move(tasks_.begin()->second);
      tasks_.erase(tasks_.begin());
    }
    task();
  }
}

}  // namespace federity::api
