#include "client/agent/progress_reporter.h"

#include <grpcpp/client_context.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/rpc/status_codec.h"
#include "federity/v1/contributions.grpc.pb.h"

namespace federity::agent {
namespace {

constexpr absl::Duration kChangedInterval = absl::Seconds(1);
constexpr absl::Duration kUnchangedInterval = absl::Seconds(15);
// Short, because one coordinator that hangs must not silence the others.
constexpr absl::Duration kCallDeadline = absl::Seconds(5);

}  // namespace

ProgressReporter::ProgressReporter(identity::IdentityStore& identities, Unwanted unwanted)
    : identities_(identities), unwanted_(std::move(unwanted)) {
  thread_ = std::thread([this] { Loop(); });
}

ProgressReporter::~ProgressReporter() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    changed_.SignalAll();
  }
  thread_.join();
}

void ProgressReporter::Track(std::string_view contribution, std::string_view identity) {
  absl::MutexLock lock(&mutex_);
  const auto [at, added] = tracked_.try_emplace(std::string(contribution));
  if (added) at->second.identity = std::string(identity);
  changed_.SignalAll();
}

void ProgressReporter::Set(std::string_view contribution, v1::ContributionPhase phase,
                           double fraction) {
  absl::MutexLock lock(&mutex_);
  const auto at = tracked_.find(contribution);
  if (at == tracked_.end()) return;
  at->second.progress = {phase, fraction >= 0 ? std::min(fraction, 1.0) : 0.0};
}

void ProgressReporter::Untrack(std::string_view contribution) {
  absl::MutexLock lock(&mutex_);
  if (const auto at = tracked_.find(contribution); at != tracked_.end()) tracked_.erase(at);
}

std::optional<ProgressReporter::Progress> ProgressReporter::Get(
    std::string_view contribution) const {
  absl::MutexLock lock(&mutex_);
  const auto at = tracked_.find(contribution);
  if (at == tracked_.end()) return std::nullopt;
  return at->second.progress;
}

std::optional<ProgressReporter::Due> ProgressReporter::NextDue() {
  const absl::Time now = absl::Now();
  for (auto& [contribution, tracked] : tracked_) {
    const bool changed = tracked.progress.phase != tracked.reported.phase ||
                         tracked.progress.fraction != tracked.reported.fraction;
    if (now - tracked.report_time < (changed ? kChangedInterval : kUnchangedInterval)) continue;
    tracked.report_time = now;
    tracked.reported = tracked.progress;
    return Due{contribution, tracked.identity, tracked.progress};
  }
  return std::nullopt;
}

void ProgressReporter::Loop() {
  absl::MutexLock lock(&mutex_);
  while (!stopped_) {
    if (const std::optional<Due> due = NextDue()) {
      mutex_.Unlock();
      Report(*due);
      mutex_.Lock();
    } else if (tracked_.empty()) {
      changed_.Wait(&mutex_);  // an idle agent does not wake
    } else {
      changed_.WaitWithTimeout(&mutex_, absl::Milliseconds(250));
    }
  }
}

void ProgressReporter::Report(const Due& due) {
  const auto channel = identities_.Connect(due.identity);
  if (!channel.ok()) return;  // the watcher shows it
  v1::ReportProgressRequest request;
  request.set_name(due.contribution);
  request.set_phase(due.progress.phase);
  request.set_fraction(due.progress.fraction);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kCallDeadline));
  v1::ReportProgressResponse response;
  const absl::Status status = rpc::FromGrpc(
      v1::ContributionService::NewStub(*channel)->ReportProgress(&context, request, &response));
  const bool gone = absl::IsNotFound(status);
  if (!status.ok() && !gone) {
    log::Debug("progress was not reported", {{"error", std::string(status.message())}});
    return;
  }
  if (!gone && response.wanted()) return;
  Untrack(due.contribution);
  unwanted_(due.contribution, gone ? "the coordinator does not know it" : response.reason());
}

}  // namespace federity::agent
