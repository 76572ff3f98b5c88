#include "server/rounds/lease.h"

#include <catch2/catch.hpp>

#include "absl/time/clock.h"

namespace federity::rounds {
namespace {

// Counts renewals; wakes who waits for a number of them.
class Renewals {
 public:
  int Add() {
    absl::MutexLock lock(&mutex_);
    return ++count_;
  }
  int count() const {
    absl::MutexLock lock(&mutex_);
    return count_;
  }
  void Await(int count) const {
    absl::MutexLock lock(&mutex_);
    const auto reached = [&] { return count_ >= count; };
    mutex_.Await(absl::Condition(&reached));
  }

 private:
  mutable absl::Mutex mutex_;
  int count_ = 0;
};

constexpr absl::Duration kLease = absl::Milliseconds(6);

TEST_CASE("A lease is renewed while its work waits, and through errors", "[rounds]") {
  Renewals renewals;
  LeaseKeeper keeper({.lease = kLease, .stall = absl::Hours(1), .renew = [&] {
                        return renewals.Add() < 3 ? absl::UnavailableError("no database")
                                                  : absl::OkStatus();
                      }});
  renewals.Await(6);
  CHECK(keeper.Check().ok());
}

TEST_CASE("Who lost a lease is told and renews no more", "[rounds]") {
  Renewals renewals;
  LeaseKeeper keeper({.lease = kLease, .stall = absl::Hours(1), .renew = [&]() -> absl::Status {
                        renewals.Add();
                        return absl::CancelledError("another has it");
                      }});
  while (keeper.Check().ok()) {
    absl::SleepFor(absl::Microseconds(100));
  }
  CHECK(keeper.Check() == absl::CancelledError("another has it"));
  CHECK(renewals.count() == 1);
}

TEST_CASE("Work that shows no sign of life loses its lease", "[rounds]") {
  Renewals renewals, clock;
  LeaseKeeper* self = nullptr;
  absl::Mutex made;
  made.Lock();
  LeaseKeeper stalled({.lease = kLease, .stall = kLease, .renew = [&] {
                         absl::MutexLock lock(&made);
                         if (renewals.Add() <= 5) return self->Check();  // the work goes on
                         return absl::OkStatus();
                       }});
  self = &stalled;
  made.Unlock();
  renewals.Await(7);
  LeaseKeeper other({.lease = kLease, .stall = absl::Hours(1), .renew = [&] {
                       clock.Add();
                       return absl::OkStatus();
                     }});
  clock.Await(20);
  // Three without a sign, the first of which saw that of the fifth.
  CHECK(renewals.count() == 8);
}

}  // namespace
}  // namespace federity::rounds
