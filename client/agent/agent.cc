#include "client/agent/agent.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "client/agent/delivery.h"
#include "client/agent/names.h"
#include "common/base/retry_backoff.h"
#include "common/base/strings.h"
#include "common/log/log.h"

namespace federity::agent {
namespace {

using nlohmann::json;
using Cause = Cancellation::Cause;

constexpr absl::Duration kHousekeeping = absl::Seconds(5);
constexpr absl::Duration kDatasetChecks = absl::Minutes(5);
constexpr absl::Duration kLongestRetry = absl::Minutes(5);

std::string_view KindOf(const Work& work) {
  constexpr std::string_view kKinds[] = {"training", "statistics", "evaluation", "delivery",
                                         "data set check"};
  return kKinds[work.order.index()];
}

std::string_view PhaseName(v1::ContributionPhase phase) {
  switch (phase) {
    case v1::CONTRIBUTION_PHASE_TRAINING:
      return "training";
    case v1::CONTRIBUTION_PHASE_UPLOADING:
      return "uploading";
    default:
      return "downloading";
  }
}

// Costs a call of stat or two; a folder's files are many and wait for the full
// check.
bool LooksChanged(const state::Dataset& dataset) {
  if (dataset.changed || dataset.source.format == "image_folder") return false;
  const absl::StatusOr<std::string> stamp = datasets::TakeStamp(dataset.source);
  return !stamp.ok() || *stamp != dataset.fingerprint.stamp;
}

}  // namespace

Agent::Agent(Context& context)
    : context_(context),
      progress_(context.identities,
                [this](const std::string& contribution, const std::string& why) {
                  queue_.Cancel(contribution, Cause::kUnwanted, why);
                }) {
  for (const std::string& line : context_.outbox.RemoveLeftOvers())
    context_.journal.Append("dropped", "", line);
  CheckDatasets(/*all=*/true);
  ResumeOutbox();
  context_.state.OnChange([this] {
    absl::MutexLock lock(&mutex_);
    changed_ = true;
  });
  Reconcile();
  worker_ = std::thread([this] { RunWork(); });
  housekeeper_ = std::thread([this] { Keep(); });
}

Agent::~Agent() {
  context_.state.OnChange({});
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  queue_.Stop();
  housekeeper_.join();
  worker_.join();
  absl::MutexLock lock(&watchers_mutex_);
  watchers_.clear();
}

void Agent::ResumeOutbox() {
  for (const state::OutboxEntry& entry : context_.outbox.List()) {
    queue_.Add({.key = entry.contribution,
                .identity = entry.identity,
                .repository = entry.repository,
                .order = Delivery{}});
  }
}

void Agent::CheckDatasets(bool all) {
  for (const state::Membership& membership : context_.state.Memberships()) {
    const auto& sets = membership.datasets;
    if (!(all ? !sets.empty() : std::any_of(sets.begin(), sets.end(), LooksChanged))) continue;
    queue_.Add({.key = StrCat("data sets of ", membership.id),
                .identity = membership.id,
                .repository = membership.repository,
                .order = DatasetCheck{}});
  }
}

void Agent::Accept(Work work) {
  const bool training = std::holds_alternative<v1::TrainingAssignment>(work.order);
  const std::string key = work.key;
  const std::string identity = work.identity;
  // What waits its turn is reported too, or it would look dead.
  if (queue_.Add(std::move(work)) && training) progress_.Track(key, identity);
}

void Agent::RunWork() {
  Runner runner(context_, progress_);
  while (std::optional<WorkQueue::Running> running = queue_.Take()) {
    Runner::Outcome outcome = runner.Run(running->work, *running->cancellation);
    queue_.Done();
    SetError(running->work.identity, std::string(ToStd(outcome.status.message())));
    if (!outcome.again) continue;
    Backoff backoff(context_.first_pause * 2, kLongestRetry);
    absl::Duration pause;
    for (int i = 0; i <= std::min(outcome.again->attempts, 20); ++i) pause = backoff.Next();
    ++outcome.again->attempts;
    log::Info("trying again later", {{"key", outcome.again->key},
                                     {"after", absl::FormatDuration(pause)},
                                     {"error", std::string(outcome.status.message())}});
    queue_.Add(*std::move(outcome.again), absl::Now() + pause);
  }
}

void Agent::Keep() {
  absl::Time next_check = absl::Now() + kDatasetChecks;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(
                                  +[](Agent* agent) ABSL_NO_THREAD_SAFETY_ANALYSIS {
                                    return agent->stopped_ || agent->changed_;
                                  },
                                  this),
                              kHousekeeping);
      if (stopped_) return;
      changed_ = false;
    }
    Reconcile();
    StopWithdrawn();
    {
      absl::MutexLock lock(&watchers_mutex_);
      for (const auto& [id, watcher] : watchers_) watcher->Refresh();
    }
    const bool all = absl::Now() >= next_check;
    if (all) next_check = absl::Now() + kDatasetChecks;
    CheckDatasets(all);
  }
}

// Watchers for the memberships that there are now.
void Agent::Reconcile() {
  const auto identities = context_.identities.List();
  if (!identities.ok()) {
    log::Warning("the memberships can't be listed",
                 {{"error", std::string(identities.status().message())}});
    return;
  }
  std::vector<std::unique_ptr<Watcher>> gone;  // destroyed outside the lock
  absl::MutexLock lock(&watchers_mutex_);
  for (auto at = watchers_.begin(); at != watchers_.end();) {
    const bool there = std::any_of(identities->begin(), identities->end(),
                                   [&](const auto& identity) { return identity.id == at->first; });
    if (there) {
      ++at;
    } else {
      gone.push_back(std::move(at->second));
      at = watchers_.erase(at);
    }
  }
  for (const identity::Identity& identity : *identities) {
    const auto name = ParseResourceName(identity.scope);
    if (!name.ok() || name->repository.empty() || watchers_.contains(identity.id)) continue;
    watchers_[identity.id] = std::make_unique<Watcher>(
        context_, identity,
        Watcher::Events{.on_work = [this](Work work) { Accept(std::move(work)); },
                        .on_cancelled =
                            [this](const std::string& key, const std::string& reason) {
                              progress_.Untrack(key);
                              queue_.Cancel(key, Cause::kUnwanted, reason);
                            }});
  }
}

// Why the operator no longer wants this done; empty: it may go on. A pause lets
// a finished update reach the coordinator.
std::string Agent::WhyWithdrawn(const Work& work) const {
  if (std::holds_alternative<DatasetCheck>(work.order)) return "";
  const state::Membership membership = context_.state.Get(work.identity);
  if (!membership.approval) return "waiting for approval";
  const bool paused = context_.state.paused() || membership.paused;
  return paused && !context_.outbox.Find(work.key) ? "paused" : "";
}

// Pause, revoke and leave end what is being done, at once.
void Agent::StopWithdrawn() {
  for (const std::string_view why : {"waiting for approval", "paused"}) {
    const auto dropped = queue_.CancelIf(
        [&](const Work& work) { return WhyWithdrawn(work) == why; }, Cause::kWithdrawn, why);
    for (const Work& work : dropped) {
      progress_.Untrack(work.key);
      if (!std::holds_alternative<v1::TrainingAssignment>(work.order) &&
          !std::holds_alternative<Delivery>(work.order))
        continue;
      if (!context_.outbox.Remove(work.key).ok()) continue;
      Abandon(context_, work.identity, work.key, why);
      context_.journal.Append("given up", ShortName(work.repository),
                              StrCat(RoundOf(work.key), ": ", why));
    }
  }
}

void Agent::SetError(const std::string& identity, std::string text) {
  absl::MutexLock lock(&mutex_);
  if (text.empty()) {
    errors_.erase(identity);
  } else {
    errors_[identity] = std::move(text);
  }
}

json Agent::Live() const {
  json live = {{"memberships", json::object()}, {"queued", queue_.size()}};
  {
    absl::MutexLock lock(&watchers_mutex_);
    for (const auto& [id, watcher] : watchers_)
      live["memberships"][id] = {{"connection", watcher->connection()},
                                 {"connected", watcher->connected()}};
  }
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, error] : errors_) live["memberships"][id]["last_error"] = error;
  }
  if (const auto work = queue_.Current()) {
    json& now = live["work"] = {{"key", work->key},
                                {"kind", KindOf(*work)},
                                {"identity", work->identity},
                                {"repository", ShortName(work->repository)}};
    if (const auto progress = progress_.Get(work->key)) {
      now["phase"] = PhaseName(progress->phase);
      now["fraction"] = progress->fraction;
    }
  }
  return live;
}

}  // namespace federity::agent
