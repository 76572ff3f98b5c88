#include "client/agent/watcher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "client/agent/approval.h"
#include "client/agent/names.h"
#include "client/terminal/format.h"
#include "common/base/errors.h"
#include "common/base/retry_backoff.h"
#include "common/base/strings.h"
#include "common/base/version.h"
#include "common/log/log.h"
#include "common/rpc/status_codec.h"
#include "federity/v1/contributions.grpc.pb.h"

namespace federity::agent {
namespace {

// Three heartbeats of the coordinator.
constexpr absl::Duration kSilence = absl::Seconds(95);
constexpr absl::Duration kRenewRetry = absl::Minutes(10);
constexpr absl::Duration kLongestPause = absl::Seconds(30);

// gRPC says "ipv4:…" and "ipv6:…", with brackets as a URI has them.
std::string PeerOf(const grpc::ClientContext& call) {
  const std::string peer = call.peer();
  return absl::StrReplaceAll(peer.substr(peer.find(':') + 1), {{"%5B", "["}, {"%5D", "]"}});
}

}  // namespace

Watcher::Watcher(Context& context, identity::Identity identity, Events events)
    : context_(context), identity_(std::move(identity)), events_(std::move(events)) {
  thread_ = std::thread([this] { Loop(); });
}

Watcher::~Watcher() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    EndStream();
  }
  thread_.join();
}

void Watcher::EndStream() {
  reopen_ = true;
  if (call_ != nullptr) call_->TryCancel();
}

void Watcher::Refresh() {
  const std::string offer = Offer().SerializeAsString();
  absl::MutexLock lock(&mutex_);
  if (call_ == nullptr || reopen_) return;
  const bool silent = absl::Now() - heard_ > kSilence;
  if (offer != offered_ || silent || context_.clock.Now() >= renew_time_) EndStream();
}

v1::WatchAssignmentsRequest Watcher::Offer() const {
  const state::Membership membership = context_.state.Get(identity_.id);
  v1::WatchAssignmentsRequest offer;
  offer.set_parent(identity_.scope);
  offer.set_version(std::string(kVersion));
  if (membership.approval) {
    offer.set_approved_plan_digest(membership.approval->plan_digest);
    offer.set_approved_program_digest(membership.approval->program_digest);
  }
  for (const state::Dataset& dataset : membership.datasets) {
    v1::DatasetSummary& summary = *offer.add_datasets();
    summary.set_label(dataset.label);
    summary.set_kind(std::string(datasets::KindOf(dataset.source)));
    summary.set_rows(dataset.rows);
  }
  offer.set_not_ready(
      WhyNotReady(membership, context_.state.paused(), context_.clock.Now(), context_.zone));
  return offer;
}

void Watcher::Loop() {
  Backoff backoff(context_.first_pause, std::max(context_.first_pause, kLongestPause));
  while (true) {
    const bool answered = Stream();
    if (answered) backoff.Reset();
    absl::MutexLock lock(&mutex_);
    if (stopped_) return;
    // Reopened on purpose: no pause, unless the coordinator never answered.
    if (std::exchange(reopen_, false) && answered) continue;
    mutex_.AwaitWithTimeout(absl::Condition(&stopped_), backoff.Next());
    if (stopped_) return;
  }
}

// When to connect anew for the sake of the certificate; not at once if it just
// could not be renewed.
absl::Time Watcher::RenewTime() const {
  const auto identities = context_.identities.List();
  if (!identities.ok()) return absl::InfiniteFuture();
  for (const identity::Identity& identity : *identities)
    if (identity.id == identity_.id)
      return std::max(identity.renew_time, context_.clock.Now() + kRenewRetry);
  return absl::InfiniteFuture();
}

bool Watcher::Stream() {
  const auto channel = context_.identities.Connect(identity_.id);
  if (!channel.ok()) {
    SetFailure(channel.status());
    return false;
  }
  const absl::Time renew_time = RenewTime();
  const v1::WatchAssignmentsRequest offer = Offer();
  grpc::ClientContext call;
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return false;
    call_ = &call;
    reopen_ = false;
    offered_ = offer.SerializeAsString();
    heard_ = absl::Now();
    renew_time_ = renew_time;
  }
  const auto stub = v1::ContributionService::NewStub(*channel);
  const auto stream = stub->WatchAssignments(&call, offer);
  v1::WatchAssignmentsResponse event;
  bool answered = false;
  while (stream->Read(&event)) {
    {
      absl::MutexLock lock(&mutex_);
      heard_ = absl::Now();
      if (!std::exchange(answered, true)) {
        connected_since_ = heard_;
        peer_ = PeerOf(call);
      }
    }
    Handle(event);
  }
  const absl::Status status = rpc::FromGrpc(stream->Finish());
  {
    absl::MutexLock lock(&mutex_);
    call_ = nullptr;
    connected_since_ = absl::InfinitePast();
    if (reopen_) return answered;
  }
  SetFailure(status);
  return answered;
}

void Watcher::SetFailure(const absl::Status& status) {
  std::string text =
      status.ok() ? "the coordinator ended the stream" : std::string(ToStd(status.message()));
  if (ReasonOf(status) == v1::ERROR_REASON_MEMBER_REMOVED)
    text = StrCat("the coordinator removed this membership; `federity-agent leave ",
                  ShortName(identity_.scope), "` forgets it");
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_ || failure_ == text) return;
    failure_ = text;
  }
  log::Warning("not connected", {{"repository", ShortName(identity_.scope)}, {"error", text}});
}

void Watcher::Handle(const v1::WatchAssignmentsResponse& event) {
  using Event = v1::WatchAssignmentsResponse;
  {
    absl::MutexLock lock(&mutex_);
    failure_.clear();
  }
  switch (event.event_case()) {
    case Event::kRepository:
      return HandleRepository(event.repository());
    case Event::kTraining:
      return HandOver(event.training().contribution(), event.training());
    case Event::kStatistics:
      return HandOver(event.statistics().run(), event.statistics());
    case Event::kEvaluation:
      return HandOver(StrCat("evaluation of ", event.evaluation().commit().name()),
                      event.evaluation());
    case Event::kCancelled:
      return events_.on_cancelled(event.cancelled().name(), event.cancelled().reason());
    case Event::kHeartbeat:
    case Event::EVENT_NOT_SET:
      return;
  }
}

void Watcher::HandOver(std::string key, decltype(Work::order) order) {
  if (key.empty()) return;
  events_.on_work({.key = std::move(key),
                   .identity = identity_.id,
                   .repository = identity_.scope,
                   .order = std::move(order)});
}

void Watcher::HandleRepository(const v1::RepositoryState& repository) {
  const state::Membership before = context_.state.Get(identity_.id);
  state::Membership after = before;
  after.repository = identity_.scope;
  after.plan_digest = repository.plan_digest();
  after.program_digest = repository.program_digest();
  after.standardisation_digest = repository.standardisation().digest();
  if (after == before) return;
  const absl::Status status =
      context_.state.Update(identity_.id, [&](state::Membership& membership) {
        membership.repository = after.repository;
        membership.plan_digest = after.plan_digest;
        membership.program_digest = after.program_digest;
        membership.standardisation_digest = after.standardisation_digest;
        return absl::OkStatus();
      });
  if (!status.ok())
    log::Warning("the state was not written", {{"error", std::string(status.message())}});
  const std::string name = ShortName(identity_.scope);
  if (StandingOf(before) != v1::APPROVAL_STATE_OUTDATED &&
      StandingOf(after) == v1::APPROVAL_STATE_OUTDATED)
    context_.journal.Append("approval outdated", name,
                            StrCat("plan or program changed; look at it with `federity-agent "
                                   "approve ",
                                   name, "`"));
  if (after.standardisation_digest != before.standardisation_digest &&
      !after.standardisation_digest.empty())
    context_.journal.Append("standardisation", name,
                            StrCat("in force now: ", after.standardisation_digest));
}

std::string Watcher::connection() const {
  absl::MutexLock lock(&mutex_);
  if (connected_since_ != absl::InfinitePast())
    return StrCat("connected since ", terminal::FormatTime(connected_since_), " to ", peer_);
  return failure_.empty() ? "connecting" : StrCat("offline: ", failure_);
}

bool Watcher::connected() const {
  absl::MutexLock lock(&mutex_);
  return connected_since_ != absl::InfinitePast();
}

}  // namespace federity::agent
