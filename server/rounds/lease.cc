#include "server/rounds/lease.h"

#include <utility>

namespace federity::rounds {

LeaseKeeper::LeaseKeeper(Options options)
    : options_(std::move(options)), thread_([this] { Run(); }) {}

LeaseKeeper::~LeaseKeeper() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  thread_.join();
}

absl::Status LeaseKeeper::Check() {
  absl::MutexLock lock(&mutex_);
  unseen_ = 0;
  return lost_;
}

void LeaseKeeper::Run() {
  const absl::Duration interval = options_.lease / 3;
  // Counted, not timed: a clock that jumps is no stall.
  const int64_t most_unseen = options_.stall / interval;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopped_), interval)) return;
      if (++unseen_ > most_unseen) return;
    }
    const absl::Status renewed = options_.renew();
    if (!absl::IsCancelled(renewed)) continue;
    absl::MutexLock lock(&mutex_);
    lost_ = renewed;
    return;
  }
}

}  // namespace federity::rounds
