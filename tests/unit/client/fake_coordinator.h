#ifndef FEDERITY_TESTS_UNIT_CLIENT_FAKE_COORDINATOR_H_
#define FEDERITY_TESTS_UNIT_CLIENT_FAKE_COORDINATOR_H_

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/errors.h"
#include "common/crypto/digest.h"
#include "common/plan/plan.h"
#include "common/rpc/status_codec.h"
#include "federity/v1/commits.grpc.pb.h"
#include "federity/v1/contributions.grpc.pb.h"
#include "federity/v1/membership.grpc.pb.h"
#include "federity/v1/plans.grpc.pb.h"
#include "federity/v1/repositories.grpc.pb.h"
#include "federity/v1/statistics.grpc.pb.h"
#include "federity/v1/uploads.grpc.pb.h"

namespace federity::testing {

// The coordinator as an agent sees it: keeps what it is told, answers as the
// test scripts it. Tests change `script` and read `seen` within Locked(), and
// wait for what is to happen with Await(). Thread-safe.
class FakeCoordinator {
 public:
  struct Script {
    // WriteUpload breaks once at each of these committed sizes, lowest first.
    std::deque<int64_t> upload_breaks;
    // WriteUpload reads no further than this until it is -1 again, as a slow link.
    int64_t hold_upload_at = -1;
    // DownloadCommit breaks once at each of these offsets, lowest first.
    std::deque<int64_t> download_breaks;
    std::string declared_digest;  // DownloadCommit: in place of the true one
    int64_t declared_size = -1;   // DownloadCommit: in place of the true one
    std::map<std::pair<std::string, v1::CommitPart>, std::string> parts;
    absl::Status create_upload;   // what CreateUpload answers, if not OK
    int lose_submit_answers = 0;  // SubmitContribution acts, then fails so often
    absl::Status submit;          // what SubmitContribution answers, if not OK
    v1::Contribution::State outcome = v1::Contribution::ACCEPTED;
    std::string refusal;
    std::set<std::string> unwanted;  // contributions; ReportProgress says so
    std::string plan_toml;
    std::string program_digest;
    absl::Status remove_member;
  };
  struct Upload {
    v1::Upload state;
    std::string bytes;
  };
  struct Seen {
    std::map<std::string, std::string> upload_of_request;
    std::map<std::string, Upload> uploads;
    std::vector<int64_t> write_offsets;
    std::vector<int64_t> download_offsets;
    std::vector<v1::WatchAssignmentsRequest> offers;
    int open_streams = 0;
    std::vector<v1::ReportProgressRequest> progress;
    std::vector<v1::SubmitContributionRequest> submissions;
    int outcomes = 0;  // calls of GetContribution
    std::vector<v1::AbandonContributionRequest> abandoned;
    std::vector<v1::SubmitStatisticsRequest> statistics;
    std::vector<v1::SubmitEvaluationRequest> evaluations;
    std::vector<v1::RemoveMemberRequest> removals;
  };

  FakeCoordinator() : services_(*this) {
    grpc::ServerBuilder builder;
    services_.Register(builder);
    server_ = builder.BuildAndStart();
  }
  ~FakeCoordinator() { Stop(); }

  std::shared_ptr<grpc::Channel> channel() { return server_->InProcessChannel({}); }

  template <class Function>
  auto Locked(Function function) {
    absl::MutexLock lock(&mutex_);
    return function(script_, seen_);
  }
  // Whether `condition` becomes true within 20 s.
  bool Await(std::function<bool(const Seen&)> condition) {
    absl::MutexLock lock(&mutex_);
    const auto check = [&] { return condition(seen_); };
    return mutex_.AwaitWithTimeout(absl::Condition(&check), absl::Seconds(20));
  }
  // Sends an event on the stream that is open, or on the next one.
  void Send(v1::WatchAssignmentsResponse event) {
    absl::MutexLock lock(&mutex_);
    events_.push_back(std::move(event));
  }
  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
    }
    server_->Shutdown(std::chrono::system_clock::now());
  }

 private:
  using Context = grpc::ServerContext*;

  struct Services {
    explicit Services(FakeCoordinator& owner)
        : uploads(owner),
          commits(owner),
          contributions(owner),
          statistics(owner),
          plans(owner),
          repositories(owner),
          members(owner) {}
    void Register(grpc::ServerBuilder& builder) {
      builder.RegisterService(&uploads);
      builder.RegisterService(&commits);
      builder.RegisterService(&contributions);
      builder.RegisterService(&statistics);
      builder.RegisterService(&plans);
      builder.RegisterService(&repositories);
      builder.RegisterService(&members);
    }

    struct Uploads final : v1::UploadService::Service {
      explicit Uploads(FakeCoordinator& owner) : o(owner) {}
      grpc::Status CreateUpload(Context, const v1::CreateUploadRequest* request,
                                v1::Upload* response) override {
        absl::MutexLock lock(&o.mutex_);
        if (!o.script_.create_upload.ok()) return rpc::ToGrpc(o.script_.create_upload);
        std::string& name = o.seen_.upload_of_request[request->request_id()];
        if (name.empty()) {
          name = request->parent() + "/uploads/" + std::to_string(o.seen_.uploads.size() + 1);
          v1::Upload& upload = o.seen_.uploads[name].state;
          upload.set_name(name);
          upload.set_size_bytes(request->size_bytes());
          upload.set_digest(request->digest());
        }
        *response = o.seen_.uploads[name].state;
        return grpc::Status::OK;
      }
      grpc::Status GetUpload(Context, const v1::GetUploadRequest* request,
                             v1::Upload* response) override {
        absl::MutexLock lock(&o.mutex_);
        const auto at = o.seen_.uploads.find(request->name());
        if (at == o.seen_.uploads.end()) return rpc::ToGrpc(NotFound("the upload"));
        *response = at->second.state;
        return grpc::Status::OK;
      }
      grpc::Status WriteUpload(Context, grpc::ServerReader<v1::WriteUploadRequest>* reader,
                               v1::Upload* response) override {
        v1::WriteUploadRequest request;
        std::string name;
        while (reader->Read(&request)) {
          absl::MutexLock lock(&o.mutex_);
          if (!request.name().empty()) {
            name = request.name();
            o.seen_.write_offsets.push_back(request.offset());
          }
          const auto at = o.seen_.uploads.find(name);
          if (at == o.seen_.uploads.end()) return rpc::ToGrpc(NotFound("the upload"));
          Upload& upload = at->second;
          if (!request.name().empty() && request.offset() != upload.state.committed_bytes())
            return rpc::ToGrpc(Error(v1::ERROR_REASON_OFFSET_MISMATCH, "wrong offset"));
          upload.bytes += request.data();
          std::deque<int64_t>& breaks = o.script_.upload_breaks;
          if (!breaks.empty() && static_cast<int64_t>(upload.bytes.size()) >= breaks.front()) {
            upload.bytes.resize(static_cast<size_t>(breaks.front()));  // the rest is lost
            upload.state.set_committed_bytes(breaks.front());
            breaks.pop_front();
            return {grpc::StatusCode::UNAVAILABLE, "a break"};
          }
          upload.state.set_committed_bytes(static_cast<int64_t>(upload.bytes.size()));
          const auto goes_on = [&] {
            const int64_t hold = o.script_.hold_upload_at;
            return o.stopped_ || hold < 0 || upload.state.committed_bytes() < hold;
          };
          o.mutex_.Await(absl::Condition(&goes_on));
        }
        absl::MutexLock lock(&o.mutex_);
        Upload& upload = o.seen_.uploads[name];
        if (upload.state.committed_bytes() == upload.state.size_bytes()) {
          if (crypto::Sha256(upload.bytes).ToString() != upload.state.digest())
            return rpc::ToGrpc(Error(v1::ERROR_REASON_DIGEST_MISMATCH, "wrong digest"));
          upload.state.set_complete(true);
        }
        *response = upload.state;
        return grpc::Status::OK;
      }
      FakeCoordinator& o;
    };

    struct Commits final : v1::CommitService::Service {
      explicit Commits(FakeCoordinator& owner) : o(owner) {}
      grpc::Status DownloadCommit(Context, const v1::DownloadCommitRequest* request,
                                  grpc::ServerWriter<v1::DownloadCommitResponse>* writer) override {
        std::string bytes;
        std::string digest;
        int64_t size = 0;
        int64_t stop = -1;
        {
          absl::MutexLock lock(&o.mutex_);
          o.seen_.download_offsets.push_back(request->offset());
          const auto at = o.script_.parts.find({request->name(), request->part()});
          if (at == o.script_.parts.end()) return rpc::ToGrpc(NotFound("the commit"));
          bytes = at->second;
          digest = o.script_.declared_digest.empty() ? crypto::Sha256(bytes).ToString()
                                                     : o.script_.declared_digest;
          size = o.script_.declared_size >= 0 ? o.script_.declared_size
                                              : static_cast<int64_t>(bytes.size());
          if (!o.script_.download_breaks.empty()) {
            stop = o.script_.download_breaks.front();
            o.script_.download_breaks.pop_front();
          }
        }
        if (request->offset() > static_cast<int64_t>(bytes.size()))
          return rpc::ToGrpc(InvalidArgument("offset", "beyond the end"));
        int64_t at = request->offset();
        bool first = true;
        const auto end = static_cast<int64_t>(bytes.size());
        do {
          v1::DownloadCommitResponse response;
          if (std::exchange(first, false)) {
            response.set_size_bytes(size);
            response.set_digest(digest);
          }
          int64_t n = std::min<int64_t>(1 << 16, end - at);
          if (stop >= at) n = std::min(n, stop - at);
          response.set_data(bytes.substr(static_cast<size_t>(at), static_cast<size_t>(n)));
          if (!writer->Write(response)) break;
          at += n;
          if (at == stop) return {grpc::StatusCode::UNAVAILABLE, "a break"};
        } while (at < end);
        return grpc::Status::OK;
      }
      FakeCoordinator& o;
    };

    struct Contributions final : v1::ContributionService::Service {
      explicit Contributions(FakeCoordinator& owner) : o(owner) {}
      grpc::Status WatchAssignments(
          grpc::ServerContext* context, const v1::WatchAssignmentsRequest* request,
          grpc::ServerWriter<v1::WatchAssignmentsResponse>* writer) override {
        v1::WatchAssignmentsResponse first;
        {
          absl::MutexLock lock(&o.mutex_);
          o.seen_.offers.push_back(*request);
          ++o.seen_.open_streams;
          v1::RepositoryState& repository = *first.mutable_repository();
          repository.set_name(request->parent());
          repository.set_plan_digest(PlanDigestOf(o.script_.plan_toml));
          repository.set_program_digest(o.script_.program_digest);
        }
        writer->Write(first);
        absl::MutexLock lock(&o.mutex_);
        const auto due = [this] { return o.stopped_ || !o.events_.empty(); };
        while (!o.stopped_ && !context->IsCancelled()) {
          if (!o.mutex_.AwaitWithTimeout(absl::Condition(&due), absl::Milliseconds(10))) continue;
          if (o.stopped_ || context->IsCancelled()) break;
          const v1::WatchAssignmentsResponse event = o.events_.front();
          o.events_.pop_front();
          o.mutex_.Unlock();
          writer->Write(event);
          o.mutex_.Lock();
        }
        --o.seen_.open_streams;
        return grpc::Status::OK;
      }
      grpc::Status ReportProgress(Context, const v1::ReportProgressRequest* request,
                                  v1::ReportProgressResponse* response) override {
        absl::MutexLock lock(&o.mutex_);
        o.seen_.progress.push_back(*request);
        response->set_wanted(!o.script_.unwanted.contains(request->name()));
        if (!response->wanted()) response->set_reason("the round closed");
        return grpc::Status::OK;
      }
      grpc::Status SubmitContribution(Context, const v1::SubmitContributionRequest* request,
                                      v1::Contribution* response) override {
        absl::MutexLock lock(&o.mutex_);
        o.seen_.submissions.push_back(*request);
        if (!o.script_.submit.ok()) return rpc::ToGrpc(o.script_.submit);
        if (o.script_.lose_submit_answers > 0) {
          --o.script_.lose_submit_answers;
          return {grpc::StatusCode::UNAVAILABLE, "the answer was lost"};
        }
        response->set_name(request->name());
        response->set_state(v1::Contribution::VERIFYING);
        return grpc::Status::OK;
      }
      grpc::Status GetContribution(Context, const v1::GetContributionRequest* request,
                                   v1::Contribution* response) override {
        absl::MutexLock lock(&o.mutex_);
        ++o.seen_.outcomes;
        response->set_name(request->name());
        response->set_state(o.script_.outcome);
        response->set_refusal(o.script_.refusal);
        return grpc::Status::OK;
      }
      grpc::Status AbandonContribution(Context, const v1::AbandonContributionRequest* request,
                                       v1::Contribution* response) override {
        absl::MutexLock lock(&o.mutex_);
        o.seen_.abandoned.push_back(*request);
        response->set_state(v1::Contribution::ABANDONED);
        return grpc::Status::OK;
      }
      grpc::Status SubmitEvaluation(Context, const v1::SubmitEvaluationRequest* request,
                                    v1::SubmitEvaluationResponse*) override {
        absl::MutexLock lock(&o.mutex_);
        o.seen_.evaluations.push_back(*request);
        return grpc::Status::OK;
      }
      FakeCoordinator& o;
    };

    struct Statistics final : v1::StatisticsService::Service {
      explicit Statistics(FakeCoordinator& owner) : o(owner) {}
      grpc::Status SubmitStatistics(Context, const v1::SubmitStatisticsRequest* request,
                                    v1::SubmitStatisticsResponse*) override {
        absl::MutexLock lock(&o.mutex_);
        o.seen_.statistics.push_back(*request);
        return grpc::Status::OK;
      }
      FakeCoordinator& o;
    };

    struct Plans final : v1::PlanService::Service {
      explicit Plans(FakeCoordinator& owner) : o(owner) {}
      grpc::Status GetPlan(Context, const v1::GetPlanRequest* request,
                           v1::Plan* response) override {
        absl::MutexLock lock(&o.mutex_);
        response->set_name(request->name());
        response->set_toml(o.script_.plan_toml);
        return grpc::Status::OK;
      }
      FakeCoordinator& o;
    };

    struct Repositories final : v1::RepositoryService::Service {
      explicit Repositories(FakeCoordinator& owner) : o(owner) {}
      grpc::Status GetRepository(Context, const v1::GetRepositoryRequest* request,
                                 v1::Repository* response) override {
        absl::MutexLock lock(&o.mutex_);
        response->set_name(request->name());
        response->set_program_digest(o.script_.program_digest);
        response->add_privacy_lines("the coordinator sees data: no");
        return grpc::Status::OK;
      }
      FakeCoordinator& o;
    };

    struct Members final : v1::MembershipService::Service {
      explicit Members(FakeCoordinator& owner) : o(owner) {}
      grpc::Status RemoveMember(Context, const v1::RemoveMemberRequest* request,
                                google::protobuf::Empty*) override {
        absl::MutexLock lock(&o.mutex_);
        o.seen_.removals.push_back(*request);
        return rpc::ToGrpc(o.script_.remove_member);
      }
      FakeCoordinator& o;
    };

    Uploads uploads;
    Commits commits;
    Contributions contributions;
    Statistics statistics;
    Plans plans;
    Repositories repositories;
    Members members;
  };

  static std::string PlanDigestOf(const std::string& toml) {
    const auto plan = ParsePlan(toml);
    return plan.ok() ? PlanDigest(*plan).ToString() : "";
  }

  absl::Mutex mutex_;
  Script script_ ABSL_GUARDED_BY(mutex_);
  Seen seen_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::WatchAssignmentsResponse> events_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  Services services_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_UNIT_CLIENT_FAKE_COORDINATOR_H_
