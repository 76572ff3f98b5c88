#include "server/api/assignment_hub.h"

#include <utility>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"
#include "server/api/assignment_events.h"
#include "server/membership/conversions.h"
#include "server/rounds/topics.h"

namespace federity::api {
namespace {

// What is tried again without anybody's doing.
constexpr absl::Duration kRetry = absl::Seconds(1);

absl::Status Replaced() {
  return absl::AbortedError("a newer stream of this member took over, or its role changed");
}

}  // namespace

// One agent's stream. What it was sent is touched by its repository's refresh
// alone, of which one runs at a time.
struct AssignmentHub::Stream {
  Authorised authorised;
  rounds::Session session;
  std::shared_ptr<AssignmentSink> sink;
  std::unique_ptr<store::Subscription> subscription;      // "member:…"
  std::string sent_state;                                 // RepositoryState, serialised
  std::map<std::string, std::string> sent_contributions;  // open ones: id → name
  int64_t sent_run = 0;                                   // number; 0: none, or it ended
  std::string sent_run_name;
  std::string sent_evaluation;

  const std::string& member() const { return session.member; }
  void SendState(const std::string& serialised, const v1::RepositoryState& state);
  void SendWork(const rounds::RepositoryWork& work);
  void SendEnds(const rounds::RepositoryWork& work, const rounds::Ended& ended);
};

struct AssignmentHub::Repository {
  std::unique_ptr<store::Subscription> subscription;       // "repository:…"
  std::map<std::string, std::shared_ptr<Stream>> streams;  // by member
  bool posted = false;                                     // a refresh is under way or will be
  bool dirty = false;                                      // another one is needed after it
};

void AssignmentHub::Stream::SendState(const std::string& serialised,
                                      const v1::RepositoryState& state) {
  if (serialised == sent_state) return;
  sent_state = serialised;
  v1::WatchAssignmentsResponse event;
  *event.mutable_repository() = state;
  sink->Send(std::move(event));
}

void AssignmentHub::Stream::SendWork(const rounds::RepositoryWork& work) {
  if (work.training.has_value()) {
    const auto found = work.training->contributions.find(member());
    if (found != work.training->contributions.end() &&
        sent_contributions.count(found->second) == 0) {
      v1::WatchAssignmentsResponse event;
      *event.mutable_training() = ToTraining(*work.training, found->second);
      sent_contributions[found->second] = event.training().contribution();
      sink->Send(std::move(event));
    }
  }
  if (work.statistics.has_value() && work.statistics->members.count(member()) > 0 &&
      sent_run != work.statistics->run.number) {
    sent_run = work.statistics->run.number;
    sent_run_name = work.statistics->run.name();
    v1::WatchAssignmentsResponse event;
    *event.mutable_statistics() = ToStatistics(*work.statistics);
    sink->Send(std::move(event));
  }
  if (work.evaluation.has_value() && work.evaluation->members.count(member()) > 0 &&
      sent_evaluation != work.head->digest) {
    sent_evaluation = work.head->digest;
    v1::WatchAssignmentsResponse event;
    *event.mutable_evaluation() = ToEvaluation(work);
    sink->Send(std::move(event));
  }
}

void AssignmentHub::Stream::SendEnds(const rounds::RepositoryWork& work,
                                     const rounds::Ended& ended) {
  const auto cancel = [&](const std::string& name, const std::string& reason) {
    v1::WatchAssignmentsResponse event;
    event.mutable_cancelled()->set_name(name);
    event.mutable_cancelled()->set_reason(reason);
    sink->Send(std::move(event));
  };
  std::erase_if(sent_contributions, [&](const auto& sent) {
    const bool open = work.training.has_value() &&
                      work.training->contributions.count(member()) > 0 &&
                      work.training->contributions.at(member()) == sent.first;
    if (open) return false;
    const auto found = ended.contributions.find(sent.first);
    if (found != ended.contributions.end()) cancel(sent.second, found->second);
    return true;
  });
  if (sent_run != 0 && ended.answers.count({sent_run, member()}) > 0) {
    cancel(sent_run_name, "the run ended");
    sent_run = 0;
  }
}

AssignmentHub::AssignmentHub(Dispatcher& dispatcher, Options options)
    : dispatcher_(dispatcher), options_(options), tasks_(options.threads) {
  ScheduleBeat();
}

AssignmentHub::~AssignmentHub() {
  Drain(Error(v1::ERROR_REASON_SHUTTING_DOWN, "The coordinator is shutting down."));
}

absl::StatusOr<rounds::Session> AssignmentHub::Open(const Authorised& authorised,
                                                    const v1::WatchAssignmentsRequest& request,
                                                    std::shared_ptr<AssignmentSink> sink) {
  const std::string& repository = authorised.repository.id;
  FEDERITY_RETURN_IF_ERROR(rounds::CheckGreeting(request));
  if (authorised.caller.scope_repository_id != repository) {
    return Error(v1::ERROR_REASON_ROLE_REQUIRED,
                 "An agent serves the repository that it was invited to.");
  }
  auto stream = std::make_shared<Stream>();
  stream->authorised = authorised;
  stream->session = {authorised.caller.member_id, crypto::RandomUuid()};
  stream->sink = std::move(sink);
  FEDERITY_RETURN_IF_ERROR(
      dispatcher_.database().RunInTransaction([&](store::Transaction& transaction) {
        const absl::Time now = dispatcher_.clock().Now();
        return rounds::OpenSession(transaction, repository, stream->session, request, now,
                                   now + options_.online);
      }));
  stream->subscription = dispatcher_.database().Subscribe(rounds::MemberTopic(stream->member()),
                                                          [this, repository] { Poke(repository); });

  std::shared_ptr<Stream> older;
  bool is_new = false;
  {
    absl::MutexLock lock(&mutex_);
    if (draining_) {
      return Error(v1::ERROR_REASON_SHUTTING_DOWN, "The coordinator is shutting down.");
    }
    std::shared_ptr<Repository>& entry = repositories_[repository];
    if (entry == nullptr) {
      entry = std::make_shared<Repository>();
      is_new = true;
    }
    older = std::exchange(entry->streams[stream->member()], stream);
    ++open_;
  }
  if (older != nullptr) older->sink->End(Replaced());
  if (is_new) {
    auto subscription = dispatcher_.database().Subscribe(rounds::RepositoryTopic(repository),
                                                         [this, repository] { Poke(repository); });
    // Swapped, not assigned: the end of a subscription waits for its callback,
    // which takes this mutex.
    absl::MutexLock lock(&mutex_);
    const auto found = repositories_.find(repository);
    if (found != repositories_.end()) found->second->subscription.swap(subscription);
  }
  Poke(repository);
  return stream->session;
}

void AssignmentHub::Forget(const std::string& repository, const rounds::Session& session) {
  std::shared_ptr<Stream> stream;
  std::shared_ptr<Repository> emptied;
  absl::MutexLock lock(&mutex_);
  const auto found = repositories_.find(repository);
  if (found == repositories_.end()) return;
  auto& streams = found->second->streams;
  const auto own = streams.find(session.member);
  if (own != streams.end() && own->second->session.id == session.id) {
    stream = std::move(own->second);
    streams.erase(own);
  }
  if (streams.empty()) {
    emptied = std::move(found->second);
    repositories_.erase(found);
  }
  // What was taken out is freed after the lock: the end of a subscription waits
  // for its callback, which takes the mutex.
}

void AssignmentHub::Close(const std::string& repository, const rounds::Session& session) {
  Forget(repository, session);
  // By a task: this may be gRPC's thread.
  tasks_.Post([this, repository, session] {
    const absl::Status status =
        dispatcher_.database().RunInTransaction([&](store::Transaction& transaction) {
          return rounds::CloseSession(transaction, repository, session, dispatcher_.clock().Now());
        });
    if (!status.ok()) {
      log::Warning("an agent's going was not noted",
                   {{"error", std::string(ToStd(status.message()))}});
    }
    absl::MutexLock lock(&mutex_);
    --open_;
  });
}

void AssignmentHub::Drain(const absl::Status& status, absl::Duration bound) {
  std::map<std::string, std::shared_ptr<Repository>> all;
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    all.swap(repositories_);
  }
  for (auto& [id, repository] : all) {
    for (auto& [member, stream] : repository->streams) stream->sink->End(status);
  }
  all.clear();
  {
    absl::MutexLock lock(&mutex_);
    const auto gone = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return open_ == 0; };
    mutex_.AwaitWithTimeout(absl::Condition(&gone), bound);
  }
  tasks_.Stop();
}

void AssignmentHub::End(const std::string& repository, const std::shared_ptr<Stream>& stream,
                        const absl::Status& status) {
  Forget(repository, stream->session);
  stream->sink->End(status);  // and Close follows
}

void AssignmentHub::Poke(const std::string& repository) {
  absl::MutexLock lock(&mutex_);
  const auto found = repositories_.find(repository);
  if (found == repositories_.end()) return;
  if (std::exchange(found->second->posted, true)) {
    found->second->dirty = true;
    return;
  }
  tasks_.Post([this, repository] { Refresh(repository); });
}

void AssignmentHub::Refresh(const std::string& repository) {
  std::shared_ptr<Repository> entry;
  std::vector<std::shared_ptr<Stream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = repositories_.find(repository);
    if (found == repositories_.end()) return;
    entry = found->second;
    entry->dirty = false;
    for (const auto& [member, stream] : entry->streams) streams.push_back(stream);
  }
  const absl::Status status = Deliver(repository, streams);
  if (!status.ok()) {
    log::Warning("agents were not told what is new",
                 {{"error", std::string(ToStd(status.message()))}});
  }
  absl::MutexLock lock(&mutex_);
  const auto found = repositories_.find(repository);
  // Emptied and made anew meanwhile: the new entry has its own refresh.
  if (found == repositories_.end() || found->second != entry) return;
  if (!entry->dirty && status.ok()) {
    entry->posted = false;
    return;
  }
  tasks_.Post([this, repository] { Refresh(repository); },
              status.ok() ? absl::ZeroDuration() : kRetry);
}

absl::Status AssignmentHub::CheckSessions(store::Transaction& transaction,
                                          const std::vector<std::shared_ptr<Stream>>& streams,
                                          std::vector<std::shared_ptr<Stream>>& suspects) {
  std::vector<std::string> members;
  for (const auto& stream : streams) members.push_back(stream->member());
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute("SELECT m.id, m.role, coalesce(a.session::text, '') FROM members m "
                          "LEFT JOIN agents a ON a.member = m.id "
                          "WHERE m.id = ANY($1::uuid[]) AND m.removed_at IS NULL",
                          store::Params().Text(rounds::UuidArray(members))));
  std::map<std::string, std::pair<int64_t, std::string>> present;
  for (const store::Row& row : rows) present[row.Text(0)] = {row.Int(1), row.Text(2)};
  for (const auto& stream : streams) {
    const auto found = present.find(stream->member());
    if (found == present.end() || found->second.first != stream->authorised.caller.role ||
        found->second.second != stream->session.id) {
      suspects.push_back(stream);
    }
  }
  return absl::OkStatus();
}

absl::Status AssignmentHub::Deliver(const std::string& repository,
                                    const std::vector<std::shared_ptr<Stream>>& streams) {
  if (streams.empty()) return absl::OkStatus();
  rounds::RepositoryWork work;
  rounds::Ended ended;
  std::vector<std::shared_ptr<Stream>> suspects;
  const absl::Status read =
      dispatcher_.database().RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        suspects.clear();
        FEDERITY_RETURN_IF_ERROR(CheckSessions(transaction, streams, suspects));
        FEDERITY_ASSIGN_OR_RETURN(work, rounds::ReadWork(transaction, repository));
        std::vector<std::string> sent;
        std::set<int64_t> runs;
        for (const auto& stream : streams) {
          for (const auto& [id, name] : stream->sent_contributions) sent.push_back(id);
          if (stream->sent_run != 0) runs.insert(stream->sent_run);
        }
        FEDERITY_ASSIGN_OR_RETURN(ended,
                                  rounds::EndedByOthers(transaction, repository, sent, runs));
        return absl::OkStatus();
      });
  if (absl::IsNotFound(read)) {  // the repository was deleted
    for (const auto& stream : streams) End(repository, stream, read);
    return absl::OkStatus();
  }
  FEDERITY_RETURN_IF_ERROR(read);

  std::set<std::shared_ptr<Stream>> gone;
  for (const auto& stream : suspects) {
    const absl::Status status = dispatcher_.StillAuthorised(stream->authorised, kMethod);
    gone.insert(stream);
    End(repository, stream, status.ok() ? Replaced() : status);
  }
  const v1::RepositoryState state = ToRepositoryState(work);
  const std::string serialised = state.SerializeAsString();
  for (const auto& stream : streams) {
    if (gone.count(stream) > 0) continue;
    stream->SendState(serialised, state);
    stream->SendEnds(work, ended);
    stream->SendWork(work);
  }
  return absl::OkStatus();
}

void AssignmentHub::ScheduleBeat() {
  tasks_.Post(
      [this] {
        Beat();
        ScheduleBeat();
      },
      options_.heartbeat);
}

void AssignmentHub::Beat() {
  std::map<std::string, std::vector<std::shared_ptr<Stream>>> all;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, repository] : repositories_) {
      for (const auto& [member, stream] : repository->streams) all[id].push_back(stream);
    }
  }
  for (const auto& [repository, streams] : all) BeatRepository(repository, streams);
}

void AssignmentHub::BeatRepository(const std::string& repository,
                                   const std::vector<std::shared_ptr<Stream>>& streams) {
  std::vector<rounds::Session> sessions;
  for (const auto& stream : streams) sessions.push_back(stream->session);
  const absl::Time now = dispatcher_.clock().Now();
  const absl::Status status =
      dispatcher_.database().RunInTransaction([&](store::Transaction& transaction) {
        return rounds::KeepSessions(transaction, sessions, now, now + options_.online).status();
      });
  if (!status.ok()) {
    log::Warning("agents were not kept online", {{"error", std::string(ToStd(status.message()))}});
  }
  for (const auto& stream : streams) {
    v1::WatchAssignmentsResponse event;
    membership::SetTimestamp(now, event.mutable_heartbeat()->mutable_time());
    stream->sink->Send(std::move(event));
  }
  // Whoever lost its session or its membership is found by the look that follows.
  Poke(repository);
}

}  // namespace federity::api
