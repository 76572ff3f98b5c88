#include "client/transfer/retrier.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "common/base/errors.h"
#include "common/rpc/status_codec.h"

namespace federity::transfer {
namespace {

// Besides what any call may repeat: a stall ended by the watchdog, and an offset
// that a restarted coordinator sees differently.
bool WorthRetrying(const absl::Status& error) {
  if (rpc::IsRetryable(error) || absl::IsCancelled(error)) return true;
  return ReasonOf(error) == v1::ERROR_REASON_OFFSET_MISMATCH ||
         ReasonOf(error) == v1::ERROR_REASON_UPLOAD_INCOMPLETE ||
         ReasonOf(error) == v1::ERROR_REASON_SHUTTING_DOWN;
}

}  // namespace

bool SleepUnlessCancelled(absl::Duration duration, const std::function<bool()>& cancelled) {
  const absl::Time end = absl::Now() + duration;
  while (true) {
    if (cancelled && cancelled()) return true;
    const absl::Duration left = end - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    absl::SleepFor(cancelled ? std::min(left, absl::Milliseconds(50)) : left);
  }
}

Retrier::Retrier(const TransferOptions& options)
    : options_(options),
      backoff_(options.first_pause,
               std::max(options.first_pause, absl::Duration(absl::Seconds(30)))),
      last_progress_(absl::Now()) {}

void Retrier::Progress() {
  backoff_.Reset();
  last_progress_ = absl::Now();
}

absl::Status Retrier::AfterFailure(const absl::Status& error) {
  if (cancelled()) return absl::CancelledError("the transfer is no longer wanted");
  if (!WorthRetrying(error)) return error;
  if (absl::Now() - last_progress_ >= options_.give_up_after) return error;
  if (SleepUnlessCancelled(backoff_.Next(), options_.cancelled))
    return absl::CancelledError("the transfer is no longer wanted");
  return absl::OkStatus();
}

void ProgressMeter::Report(int64_t done, int64_t total) {
  if (!options_.on_progress) return;
  const absl::Time now = absl::Now();
  if (done < total && now - last_ < absl::Milliseconds(100)) return;
  last_ = now;
  options_.on_progress(done, total);
}

}  // namespace federity::transfer
