#include "server/rounds/round_worker.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/strings.h"
#include "common/log/log.h"
#include "server/rounds/topics.h"

namespace federity::rounds {
namespace {

// Between attempts while the database or the disk says no.
constexpr absl::Duration kErrorPause = absl::Seconds(1);
// What is due may be locked by another replica, which is done soon.
constexpr absl::Duration kLeastPause = absl::Milliseconds(20);

}  // namespace

RoundWorker::RoundWorker(const RoundDependencies& dependencies, RoundOptions options)
    : database_(dependencies.database), clock_(dependencies.clock), machine_(dependencies, [&] {
        options.stopping = [this] {
          absl::MutexLock lock(&mutex_);
          return stopping_;
        };
        return std::move(options);
      }()) {}

RoundWorker::~RoundWorker() { Stop(); }

void RoundWorker::Start() {
  subscription_ = database_.Subscribe(std::string(kRoundsTopic), [this] { Wake(); });
  threads_.emplace_back([this] {
    Run(
        "step", [this] { return machine_.Step(); }, [this] { return machine_.NextDue(); });
  });
  for (int i = 0; i < std::max(1, machine_.options().verify_threads); ++i) {
    threads_.emplace_back([this] {
      Run(
          "verify", [this] { return machine_.VerifyOne(); },
          [this] { return machine_.NextVerification(); });
    });
  }
  for (int i = 0; i < std::max(1, machine_.options().merge_threads); ++i) {
    threads_.emplace_back([this] {
      Run(
          "merge", [this] { return machine_.MergeOne(); },
          [this] { return machine_.NextMerge(); });
    });
  }
}

void RoundWorker::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  subscription_.reset();
}

void RoundWorker::Wake() {
  absl::MutexLock lock(&mutex_);
  ++wakes_;
}

void RoundWorker::Run(std::string_view what, const std::function<absl::StatusOr<bool>()>& work,
                      const std::function<absl::StatusOr<absl::Time>()>& next_due) {
  for (;;) {
    int64_t seen = 0;
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
      seen = wakes_;
    }
    const absl::StatusOr<bool> worked = work();
    if (worked.ok() && *worked) continue;
    absl::Duration pause = machine_.options().poll_interval;
    absl::Status error = worked.status();
    if (error.ok()) {
      const absl::StatusOr<absl::Time> due = next_due();
      if (due.ok()) pause = std::clamp(*due - clock_.Now(), std::min(kLeastPause, pause), pause);
      error = due.status();
    }
    absl::MutexLock lock(&mutex_);
    if (!error.ok()) {
      log::Warning("rounds: a step failed and will be repeated",
                   {{"thread", std::string(what)}, {"error", std::string(ToStd(error.message()))}});
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kErrorPause);
      continue;
    }
    const auto woken = [this, seen]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return stopping_ || wakes_ != seen;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&woken), pause);
  }
}

}  // namespace federity::rounds
