#ifndef FEDERITY_SERVER_ROUNDS_LEASE_H_
#define FEDERITY_SERVER_ROUNDS_LEASE_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace federity::rounds {

// Keeps leased work this replica's while it goes on: a thread of its own renews
// the lease every third of its length, so that a slow disk does not lose it and a
// dead process holds it no longer than its length. Work that shows no sign of
// life for `stall` is not renewed any more: another replica's disk may answer.
// That a lease was lost is told by Check; what makes late work harmless is the
// token that its last transaction compares. Thread-safe.
class LeaseKeeper {
 public:
  struct Options {
    absl::Duration lease;
    absl::Duration stall;
    // CANCELLED once the work is another's; other errors are tried again.
    std::function<absl::Status()> renew;
  };
  explicit LeaseKeeper(Options options);
  // Once it has returned no renewal follows.
  ~LeaseKeeper();
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

  // Between blocks of the work: a sign of life. The error of `renew` once the
  // work is another's.
  absl::Status Check();

 private:
  void Run();

  const Options options_;
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status lost_ ABSL_GUARDED_BY(mutex_);
  int unseen_ ABSL_GUARDED_BY(mutex_) = 0;  // renewals since the last sign of life
  std::thread thread_;
};

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_LEASE_H_
