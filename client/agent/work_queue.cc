#include "client/agent/work_queue.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace federity::agent {

bool WorkQueue::Add(Work work, absl::Time not_before) {
  absl::MutexLock lock(&mutex_);
  if (stopped_ || queued_.size() >= kMaxQueued) return false;
  if (running_ && running_->work.key == work.key) return false;
  for (const Queued& queued : queued_)
    if (queued.work.key == work.key) return false;
  queued_.push_back({std::move(work), not_before});
  changed_.SignalAll();
  return true;
}

std::list<WorkQueue::Queued>::iterator WorkQueue::NextDue() {
  return std::find_if(queued_.begin(), queued_.end(), [now = absl::Now()](const Queued& queued) {
    return queued.not_before <= now;
  });
}

std::optional<WorkQueue::Running> WorkQueue::Take() {
  absl::MutexLock lock(&mutex_);
  while (!stopped_) {
    if (const auto due = NextDue(); due != queued_.end()) {
      running_ = Running{std::move(due->work), std::make_shared<Cancellation>()};
      queued_.erase(due);
      return running_;
    }
    absl::Time next = absl::InfiniteFuture();
    for (const Queued& queued : queued_) next = std::min(next, queued.not_before);
    changed_.WaitWithDeadline(&mutex_, next);
  }
  return std::nullopt;
}

void WorkQueue::Done() {
  absl::MutexLock lock(&mutex_);
  running_.reset();
}

bool WorkQueue::Cancel(std::string_view key, Cancellation::Cause cause, std::string_view reason) {
  absl::MutexLock lock(&mutex_);
  if (running_ && running_->work.key == key) {
    running_->cancellation->Cancel(cause, reason);
    return true;
  }
  return queued_.remove_if([&](const Queued& queued) { return queued.work.key == key; }) > 0;
}

std::list<Work> WorkQueue::CancelIf(absl::FunctionRef<bool(const Work&)> concerned,
                                    Cancellation::Cause cause, std::string_view reason) {
  absl::MutexLock lock(&mutex_);
  if (running_ && concerned(running_->work)) running_->cancellation->Cancel(cause, reason);
  std::list<Work> dropped;
  for (auto at = queued_.begin(); at != queued_.end();) {
    if (concerned(at->work)) {
      dropped.push_back(std::move(at->work));
      at = queued_.erase(at);
    } else {
      ++at;
    }
  }
  return dropped;
}

void WorkQueue::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  if (running_) running_->cancellation->Cancel(Cancellation::Cause::kStopping, "the agent stops");
  changed_.SignalAll();
}

std::optional<Work> WorkQueue::Current() const {
  absl::MutexLock lock(&mutex_);
  if (!running_) return std::nullopt;
  return running_->work;
}

size_t WorkQueue::size() const {
  absl::MutexLock lock(&mutex_);
  return queued_.size();
}

}  // namespace federity::agent
