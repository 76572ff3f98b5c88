#include "common/base/retry_backoff.h"

#include <algorithm>

namespace federity {

Backoff::Backoff(absl::Duration initial, absl::Duration max, uint64_t seed)
    : initial_(initial),
      max_(max),
      current_(initial),
      random_(static_cast<std::minstd_rand::result_type>(seed ^ (seed >> 32))) {}

absl::Duration Backoff::Next() {
  const double share = std::uniform_real_distribution<double>(0.5, 1.0)(random_);
  const absl::Duration delay = current_ * share;
  current_ = std::min(current_ * 2, max_);
  return delay;
}

void Backoff::Reset() { current_ = initial_; }

}  // namespace federity
