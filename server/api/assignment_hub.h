#ifndef FEDERITY_SERVER_API_ASSIGNMENT_HUB_H_
#define FEDERITY_SERVER_API_ASSIGNMENT_HUB_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "federity/v1/contributions.pb.h"
#include "server/api/dispatcher.h"
#include "server/api/task_queue.h"
#include "server/rounds/agents.h"
#include "server/rounds/assignments.h"
#include "server/store/database.h"

namespace federity::api {

// Where an agent's events go: its stream. Both calls return at once and may come
// from any thread; after End nothing is sent any more.
class AssignmentSink {
 public:
  virtual ~AssignmentSink() = default;
  virtual void Send(v1::WatchAssignmentsResponse event) = 0;
  virtual void End(const absl::Status& status) = 0;
};

// All agents' streams of a replica. One look at a repository serves all of its
// streams, one statement a heartbeat keeps them all online, and no stream owns a
// thread, so that ten thousand idle agents cost a few queries. A stream ends as
// soon as its member is removed, and when the member opens a newer one.
// Thread-safe.
class AssignmentHub {
 public:
  struct Options {
    absl::Duration heartbeat = absl::Seconds(30);
    absl::Duration online = absl::Seconds(75);  // more than two heartbeats
    int threads = 2;
  };
  static constexpr std::string_view kMethod = "/federity.v1.ContributionService/WatchAssignments";

  AssignmentHub(Dispatcher& dispatcher, Options options);
  ~AssignmentHub();

  // Takes a stream in: writes the agent's row, then sends what there is. The
  // sink is kept until Close or End. Errors: CheckGreeting's, ROLE_REQUIRED for
  // an agent of another scope, the database's.
  absl::StatusOr<rounds::Session> Open(const Authorised& authorised,
                                       const v1::WatchAssignmentsRequest& request,
                                       std::shared_ptr<AssignmentSink> sink);
  // The stream is gone: once for each that was opened.
  void Close(const std::string& repository, const rounds::Session& session);
  // Ends all streams with `status`, takes no more, and waits until they are gone
  // and the database says so, or `bound` has passed; nothing runs afterwards.
  void Drain(const absl::Status& status, absl::Duration bound = absl::Seconds(5));

  // A heartbeat of all streams; the hub does it itself every `heartbeat`.
  void Beat();

 private:
  struct Stream;
  struct Repository;

  void Forget(const std::string& repository, const rounds::Session& session);
  void Poke(const std::string& repository);
  void Refresh(const std::string& repository);
  absl::Status Deliver(const std::string& repository,
                       const std::vector<std::shared_ptr<Stream>>& streams);
  absl::Status CheckSessions(store::Transaction& transaction,
                             const std::vector<std::shared_ptr<Stream>>& streams,
                             std::vector<std::shared_ptr<Stream>>& suspects);
  void BeatRepository(const std::string& repository,
                      const std::vector<std::shared_ptr<Stream>>& streams);
  void ScheduleBeat();
  void End(const std::string& repository, const std::shared_ptr<Stream>& stream,
           const absl::Status& status);

  Dispatcher& dispatcher_;
  const Options options_;
  absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;  // streams that were opened and not closed
  std::map<std::string, std::shared_ptr<Repository>> repositories_ ABSL_GUARDED_BY(mutex_);
  TaskQueue tasks_;
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_ASSIGNMENT_HUB_H_
