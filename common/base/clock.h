#ifndef FEDERITY_COMMON_BASE_CLOCK_H_
#define FEDERITY_COMMON_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace federity {

// Where time comes from, so that tests can set it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall clock, for what is stored or shown.
  virtual absl::Time Now() const = 0;

  // The machine's clock; lives for ever.
  static const Clock& System();
};

}  // namespace federity

#endif  // FEDERITY_COMMON_BASE_CLOCK_H_
