#include "server/api/assignment_stream.h"

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/errors.h"
#include "common/rpc/status_codec.h"

namespace federity::api {
namespace {

constexpr size_t kMaxWaiting = 64;

class AssignmentStream final : public grpc::ServerWriteReactor<v1::WatchAssignmentsResponse>,
                               public AssignmentSink,
                               public std::enable_shared_from_this<AssignmentStream> {
 public:
  AssignmentStream(Dispatcher& dispatcher, AssignmentHub& hub)
      : dispatcher_(dispatcher), hub_(hub) {}

  void Start(grpc::CallbackServerContext* context, const v1::WatchAssignmentsRequest& request) {
    {
      absl::MutexLock lock(&mutex_);
      self_ = shared_from_this();
    }
    absl::StatusOr<Authorised> authorised =
        dispatcher_.Authorise(context, AssignmentHub::kMethod, request.parent());
    if (!authorised.ok()) return End(authorised.status());
    const absl::StatusOr<rounds::Session> session =
        hub_.Open(*authorised, request, shared_from_this());
    if (!session.ok()) return End(session.status());
    bool gone = false;
    {
      absl::MutexLock lock(&mutex_);
      repository_ = authorised->repository.id;
      session_ = *session;
      gone = done_;
    }
    if (gone) hub_.Close(authorised->repository.id, *session);
  }

  void Send(v1::WatchAssignmentsResponse event) override {
    absl::MutexLock lock(&mutex_);
    if (ended_.has_value()) return;
    if (queue_.size() >= kMaxWaiting) {
      queue_.clear();
      ended_ = rpc::ToGrpc(Error(v1::ERROR_REASON_LIMIT_EXCEEDED,
                                 "The agent does not read its assignments.",
                                 {{"limit", "events that wait on a stream"}}));
    } else {
      queue_.push_back(std::move(event));
    }
    Continue();
  }

  void End(const absl::Status& status) override {
    // A stream that a newer one replaced is no fault to be logged.
    const grpc::Status told = absl::IsAborted(status)
                                  ? rpc::ToGrpc(status)
                                  : dispatcher_.ToClient(AssignmentHub::kMethod, status);
    absl::MutexLock lock(&mutex_);
    Stop(told);
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) return Stop(grpc::Status::CANCELLED);
    Continue();
  }

  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    Stop(grpc::Status::CANCELLED);
  }

  void OnDone() override {
    std::shared_ptr<AssignmentStream> self;  // frees this at the end of the scope
    std::optional<rounds::Session> session;
    {
      absl::MutexLock lock(&mutex_);
      done_ = true;
      self = std::move(self_);
      session = session_;
    }
    if (session.has_value()) hub_.Close(repository_, *session);
  }

 private:
  void Stop(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!ended_.has_value()) ended_ = status;
    queue_.clear();
    Continue();
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

  Dispatcher& dispatcher_;
  AssignmentHub& hub_;
  absl::Mutex mutex_;
  std::shared_ptr<AssignmentStream> self_ ABSL_GUARDED_BY(mutex_);
  std::string repository_;
  std::optional<rounds::Session> session_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::WatchAssignmentsResponse> queue_ ABSL_GUARDED_BY(mutex_);
  v1::WatchAssignmentsResponse current_;
  std::optional<grpc::Status> ended_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::ServerWriteReactor<v1::WatchAssignmentsResponse>* StartAssignmentStream(
    Dispatcher& dispatcher, AssignmentHub& hub, grpc::CallbackServerContext* context,
    const v1::WatchAssignmentsRequest& request) {
  const auto stream = std::make_shared<AssignmentStream>(dispatcher, hub);
  stream->Start(context, request);
  return stream.get();
}

}  // namespace federity::api
