#ifndef FEDERITY_CLIENT_TRANSFER_RETRIER_H_
#define FEDERITY_CLIENT_TRANSFER_RETRIER_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/transfer/transfer.h"
#include "common/base/retry_backoff.h"

namespace federity::transfer {

// Sleeps, but wakes within 50 ms when `cancelled` (may be empty) turns true;
// returns whether it did.
bool SleepUnlessCancelled(absl::Duration duration, const std::function<bool()>& cancelled);

// Decides after a break whether a transfer goes on. `options` must outlive it.
// Thread-compatible.
class Retrier {
 public:
  explicit Retrier(const TransferOptions& options);
  // Bytes arrived for good: pauses are short again, patience is full.
  void Progress();
  // Waits and returns OK if it is worth another attempt; else the error.
  // CANCELLED if the caller no longer wants it.
  absl::Status AfterFailure(const absl::Status& error);
  bool cancelled() const { return options_.cancelled && options_.cancelled(); }

 private:
  const TransferOptions& options_;
  Backoff backoff_;
  absl::Time last_progress_;
};

// Calls on_progress about ten times a second. Thread-compatible.
class ProgressMeter {
 public:
  explicit ProgressMeter(const TransferOptions& options) : options_(options) {}
  void Report(int64_t done, int64_t total);

 private:
  const TransferOptions& options_;
  absl::Time last_ = absl::InfinitePast();
};

// Nothing moved for so long: the call is ended and tried again.
inline constexpr absl::Duration kStallLimit = absl::Seconds(60);

}  // namespace federity::transfer

#endif  // FEDERITY_CLIENT_TRANSFER_RETRIER_H_
