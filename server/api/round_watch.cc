#include "server/api/round_watch.h"

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/api/round_names.h"
#include "server/rounds/round_store.h"
#include "server/rounds/round_transitions.h"
#include "server/rounds/round_view.h"
#include "server/rounds/topics.h"

namespace federity::api {
namespace {

constexpr std::string_view kMethod = "/federity.v1.RoundService/WatchRound";

}  // namespace

// One stream. Callbacks of gRPC, tasks and notifications meet at the mutex;
// Refresh runs once at a time.
class RoundWatch final : public grpc::ServerWriteReactor<v1::WatchRoundResponse>,
                         public std::enable_shared_from_this<RoundWatch> {
 public:
  RoundWatch(RoundWatches& owner, bool follow_series)
      : owner_(owner), follow_series_(follow_series) {}

  void Start(grpc::CallbackServerContext* context, const std::string& name) {
    const absl::Status status = Open(context, name);
    if (!status.ok()) return End(status);
    Poke();
  }

  void End(const absl::Status& status) {
    const grpc::Status told =
        status.ok() ? grpc::Status::OK : owner_.dispatcher_.ToClient(kMethod, status);
    absl::MutexLock lock(&mutex_);
    if (!ended_.has_value()) ended_ = told;
    if (!status.ok()) queue_.clear();
    Continue();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok && !ended_.has_value()) ended_ = grpc::Status::CANCELLED;
    if (!ok) queue_.clear();
    Continue();
  }

  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    if (!ended_.has_value()) ended_ = grpc::Status::CANCELLED;
    queue_.clear();
    Continue();
  }

  void OnDone() override {
    std::vector<std::unique_ptr<store::Subscription>> subscriptions;
    {
      absl::MutexLock lock(&mutex_);
      subscriptions.swap(subscriptions_);
    }
    // Waits for callbacks that run, so not under the mutex that they take.
    subscriptions.clear();
    owner_.Remove(shared_from_this());
  }

 private:
  absl::Status Open(grpc::CallbackServerContext* context, const std::string& name) {
    Dispatcher& dispatcher = owner_.dispatcher_;
    FEDERITY_ASSIGN_OR_RETURN(authorised_, dispatcher.Authorise(context, kMethod, name));
    FEDERITY_RETURN_IF_ERROR(dispatcher.database().RunInTransaction(
        [&](store::Transaction& transaction) -> absl::Status {
          FEDERITY_ASSIGN_OR_RETURN(const rounds::RoundRow round,
                                    FindNamedRound(transaction, authorised_.resource,
                                                   authorised_.repository, rounds::Lock::kNone));
          number_ = round.number;
          series_ = round.series;
          return absl::OkStatus();
        }));
    std::vector<std::unique_ptr<store::Subscription>> subscriptions;
    for (const std::string& topic : {rounds::RepositoryTopic(authorised_.repository.id),
                                     rounds::ProgressTopic(authorised_.repository.id),
                                     rounds::MemberTopic(authorised_.caller.member_id)}) {
      subscriptions.push_back(dispatcher.database().Subscribe(topic, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->Poke();
      }));
    }
    absl::MutexLock lock(&mutex_);
    subscriptions_.swap(subscriptions);
    return absl::OkStatus();
  }

  // Something may have changed: look, but not more often than kLeastInterval.
  void Poke() {
    absl::MutexLock lock(&mutex_);
    PokeLocked();
  }

  void PokeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (ended_.has_value()) return;
    if (std::exchange(posted_, true)) {
      dirty_ = true;
      return;
    }
    const absl::Duration wait =
        std::max(absl::ZeroDuration(), looked_ + RoundWatches::kLeastInterval - absl::Now());
    owner_.tasks_.Post(
        [weak = weak_from_this()] {
          if (const auto self = weak.lock()) self->Refresh();
        },
        wait);
  }

  void Refresh() {
    {
      absl::MutexLock lock(&mutex_);
      if (ended_.has_value()) return;
      looked_ = absl::Now();
      dirty_ = false;
    }
    v1::Round round;
    bool last = false;
    bool next = false;
    absl::Status status = owner_.dispatcher_.StillAuthorised(authorised_, kMethod);
    if (status.ok()) status = Read(round, last, next);
    // What another look may mend is no reason to end; the poll comes.
    if (!status.ok() && ReasonOf(status) != v1::ERROR_REASON_INTERNAL) return End(status);
    absl::MutexLock lock(&mutex_);
    posted_ = false;
    if (!status.ok()) return;
    Enqueue(std::move(round));
    if (last && !ended_.has_value()) ended_ = grpc::Status::OK;
    if (next) ++number_;
    Continue();
    if (next || dirty_) PokeLocked();
  }

  // The round, whether the stream ends with it, and whether to go on to the next.
  absl::Status Read(v1::Round& view, bool& last, bool& next) {
    Dispatcher& dispatcher = owner_.dispatcher_;
    return dispatcher.database().RunInTransaction(
        [&](store::Transaction& transaction) -> absl::Status {
          FEDERITY_ASSIGN_OR_RETURN(const std::optional<rounds::RoundRow> round,
                                    rounds::FindRound(transaction, authorised_.repository.id,
                                                      number_, rounds::Lock::kNone));
          if (!round.has_value() || round->series != series_) return NotFound("the round");
          FEDERITY_ASSIGN_OR_RETURN(
              const store::Row role,
              transaction.QueryOne("SELECT role FROM members WHERE id = $1",
                                   store::Params().Text(authorised_.caller.member_id)));
          membership::Caller caller = authorised_.caller;
          caller.role = static_cast<v1::Role>(role.Int(0));  // may have changed since
          FEDERITY_ASSIGN_OR_RETURN(view, rounds::ViewRound(transaction, *round, ViewerOf(caller),
                                                            dispatcher.clock().Now()));
          const bool ended = !rounds::IsRunning(round->state);
          // The next one was made in the transaction that ended this one.
          const bool goes_on = round->series_index < round->series_count &&
                               round->state == v1::Round::COMMITTED && follow_series_;
          last = ended && !goes_on;
          next = ended && goes_on;
          return absl::OkStatus();
        });
  }

  void Enqueue(v1::Round round) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::string bytes = round.SerializeAsString();
    if (bytes == sent_) return;
    sent_ = std::move(bytes);
    v1::WatchRoundResponse response;
    *response.mutable_round() = std::move(round);
    // A slow reader gets the newest state of each round, not all of them.
    if (!queue_.empty() && queue_.back().round().name() == response.round().name()) {
      queue_.pop_back();
    }
    queue_.push_back(std::move(response));
  }

  // Does what can be done next: write or finish.
  void Continue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finishing_) return;
    if (!queue_.empty()) {
      current_ = std::move(queue_.front());
      queue_.pop_front();
      writing_ = true;
      StartWrite(&current_);
    } else if (ended_.has_value()) {
      finishing_ = true;
      Finish(*ended_);
    }
  }

  RoundWatches& owner_;
  const bool follow_series_;
  Authorised authorised_;
  std::string series_;
  int64_t number_ = 0;  // changed by Refresh alone
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<store::Subscription>> subscriptions_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::WatchRoundResponse> queue_ ABSL_GUARDED_BY(mutex_);
  v1::WatchRoundResponse current_;
  std::string sent_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::Status> ended_ ABSL_GUARDED_BY(mutex_);
  absl::Time looked_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool posted_ ABSL_GUARDED_BY(mutex_) = false;
  bool dirty_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
};

grpc::ServerWriteReactor<v1::WatchRoundResponse>* RoundWatches::Start(
    grpc::CallbackServerContext* context, const v1::WatchRoundRequest& request) {
  auto watch = std::make_shared<RoundWatch>(*this, request.follow_series());
  bool draining = false;
  {
    absl::MutexLock lock(&mutex_);
    watches_.insert(watch);
    draining = draining_;
  }
  if (draining) {
    watch->End(Error(v1::ERROR_REASON_SHUTTING_DOWN, "The coordinator is shutting down."));
  } else {
    watch->Start(context, request.name());
  }
  return watch.get();
}

void RoundWatches::Drain(absl::Duration bound) {
  std::set<std::shared_ptr<RoundWatch>> watches;
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    watches = watches_;
  }
  for (const auto& watch : watches) {
    watch->End(Error(v1::ERROR_REASON_SHUTTING_DOWN, "The coordinator is shutting down."));
  }
  watches.clear();
  absl::MutexLock lock(&mutex_);
  const auto gone = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return watches_.empty(); };
  mutex_.AwaitWithTimeout(absl::Condition(&gone), bound);
}

void RoundWatches::Remove(const std::shared_ptr<RoundWatch>& watch) {
  absl::MutexLock lock(&mutex_);
  watches_.erase(watch);
}

}  // namespace federity::api
