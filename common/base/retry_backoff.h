#ifndef FEDERITY_COMMON_BASE_RETRY_BACKOFF_H_
#define FEDERITY_COMMON_BASE_RETRY_BACKOFF_H_

#include <cstdint>
#include <random>

#include "absl/time/time.h"

namespace federity {

// How long to wait before each further attempt: doubles from `initial` to
// `max`, each delay drawn evenly from its upper half, so that clients that
// lost the same server do not come back together. Does not sleep. Not
// thread-safe.
class Backoff {
 public:
  // REQUIRES: 0 < initial <= max. Equal seeds give equal delays.
  Backoff(absl::Duration initial, absl::Duration max, uint64_t seed = std::random_device{}());

  // The delay before the next attempt.
  absl::Duration Next();
  // Starts again from `initial`: after a success.
  void Reset();

 private:
  absl::Duration initial_;
  absl::Duration max_;
  absl::Duration current_;
  std::minstd_rand random_;
};

}  // namespace federity

#endif  // FEDERITY_COMMON_BASE_RETRY_BACKOFF_H_
