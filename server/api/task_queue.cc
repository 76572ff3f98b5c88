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
      const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || (!tasks_.empty() && tasks_.begin()->first <= absl::Now());
      };
      // A task that comes earlier than the one waited for changes the answer of
      // `due`, which the mutex asks at each unlock.
      const absl::Time next = tasks_.empty() ? absl::InfiniteFuture() : tasks_.begin()->first;
      const bool woken = mutex_.AwaitWithDeadline(absl::Condition(&due), next);
      if (stopping_) return;
      if (!woken || tasks_.empty()) continue;
      task = std::move(tasks_.begin()->second);
      tasks_.erase(tasks_.begin());
    }
    task();
  }
}

}  // namespace federity::api
