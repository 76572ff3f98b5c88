#ifndef FEDERITY_SERVER_API_ROUND_WATCH_H_
#define FEDERITY_SERVER_API_ROUND_WATCH_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "federity/v1/rounds.pb.h"
#include "server/api/dispatcher.h"
#include "server/api/task_queue.h"

namespace federity::api {

class RoundWatch;

// The open WatchRound streams of a replica. A stream is sent the whole round
// when something about it changed, at most five times a second; between changes
// it holds no thread and asks nothing. Thread-safe.
class RoundWatches {
 public:
  static constexpr absl::Duration kLeastInterval = absl::Milliseconds(200);

  RoundWatches(Dispatcher& dispatcher, TaskQueue& tasks) : dispatcher_(dispatcher), tasks_(tasks) {}
  // Answers a call; the reactor lives until gRPC is done with it.
  grpc::ServerWriteReactor<v1::WatchRoundResponse>* Start(grpc::CallbackServerContext* context,
                                                          const v1::WatchRoundRequest& request);
  // Ends all streams with SHUTTING_DOWN, takes no more, and waits until they are
  // gone or `bound` has passed.
  void Drain(absl::Duration bound = absl::Seconds(5));

 private:
  friend class RoundWatch;
  void Remove(const std::shared_ptr<RoundWatch>& watch);

  Dispatcher& dispatcher_;
  TaskQueue& tasks_;
  absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::shared_ptr<RoundWatch>> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_ROUND_WATCH_H_
