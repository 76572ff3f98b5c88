#include "server/app/periodic_task.h"

#include <utility>

#include "absl/random/random.h"
#include "common/log/log.h"

namespace federity::app {

PeriodicTask::PeriodicTask(std::string name, absl::Duration interval,
                           std::function<absl::Status()> run)
    : name_(std::move(name)),
      interval_(interval),
      run_(std::move(run)),
      thread_([this] { Loop(); }) {}

PeriodicTask::~PeriodicTask() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  thread_.join();
}

void PeriodicTask::Loop() {
  absl::BitGen random;
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      const absl::Duration wait = interval_ * absl::Uniform(random, 0.9, 1.1);
      if (mu_.AwaitWithTimeout(absl::Condition(&stop_), wait)) return;
    }
    if (absl::Status status = run_(); !status.ok()) {
      log::Warning("a background task failed; it runs again later",
                   {{"task", name_}, {"error", status.ToString()}});
    }
  }
}

}  // namespace federity::app
