#include "common/base/clock.h"

#include "absl/time/clock.h"

namespace federity {
namespace {

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace

const Clock& Clock::System() {
  static const SystemClock* const clock = new SystemClock;  // never destroyed: used at exit
  return *clock;
}

}  // namespace federity
