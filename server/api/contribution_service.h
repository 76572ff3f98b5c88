#ifndef FEDERITY_SERVER_API_CONTRIBUTION_SERVICE_H_
#define FEDERITY_SERVER_API_CONTRIBUTION_SERVICE_H_

#include "federity/v1/contributions.grpc.pb.h"
#include "server/api/assignment_hub.h"
#include "server/api/dispatcher.h"

namespace federity::api {

// The agents' side of rounds. The dispatcher must outlive it; destroy it after
// its server. Thread-safe.
class ContributionService final : public v1::ContributionService::CallbackService {
 public:
  explicit ContributionService(Dispatcher& dispatcher, AssignmentHub::Options options = {})
      : dispatcher_(dispatcher), hub_(dispatcher, options) {}

  // Ends the open streams with SHUTTING_DOWN; new ones end at once.
  void Drain();

  grpc::ServerWriteReactor<v1::WatchAssignmentsResponse>* WatchAssignments(
      grpc::CallbackServerContext* context, const v1::WatchAssignmentsRequest* request) override;
  grpc::ServerUnaryReactor* ReportProgress(grpc::CallbackServerContext* context,
                                           const v1::ReportProgressRequest* request,
                                           v1::ReportProgressResponse* response) override;
  grpc::ServerUnaryReactor* SubmitContribution(grpc::CallbackServerContext* context,
                                               const v1::SubmitContributionRequest* request,
                                               v1::Contribution* response) override;
  grpc::ServerUnaryReactor* AbandonContribution(grpc::CallbackServerContext* context,
                                                const v1::AbandonContributionRequest* request,
                                                v1::Contribution* response) override;
  grpc::ServerUnaryReactor* SubmitEvaluation(grpc::CallbackServerContext* context,
                                             const v1::SubmitEvaluationRequest* request,
                                             v1::SubmitEvaluationResponse* response) override;
  grpc::ServerUnaryReactor* GetContribution(grpc::CallbackServerContext* context,
                                            const v1::GetContributionRequest* request,
                                            v1::Contribution* response) override;
  grpc::ServerUnaryReactor* ListContributions(grpc::CallbackServerContext* context,
                                              const v1::ListContributionsRequest* request,
                                              v1::ListContributionsResponse* response) override;

  AssignmentHub& hub() { return hub_; }

 private:
  Dispatcher& dispatcher_;
  AssignmentHub hub_;
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_CONTRIBUTION_SERVICE_H_
