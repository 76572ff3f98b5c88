#ifndef FEDERITY_TESTS_E2E_ROGUE_AGENT_H_
#define FEDERITY_TESTS_E2E_ROGUE_AGENT_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/identity/identity_store.h"
#include "common/tensor/safetensors.h"
#include "federity/v1/contributions.grpc.pb.h"
#include "tests/e2e/federation.h"

namespace federity::e2e {

// An agent that speaks the protocol and hands in what the test tells it to, with
// the keys of a workstation that joined and does not run. Failures throw.
class RogueAgent {
 public:
  RogueAgent(Federation& federation, const std::string& repository,
             const std::string& organization);

  // Opens the stream with the approvals of an honest agent.
  void Connect();
  // The next order to train, at most a minute away.
  v1::TrainingAssignment AwaitTraining();

  // A delta to the head's weights: q in the first element, 0 in all others.
  std::string Delta(int32_t q) const;
  // The spec of the head's weights.
  const tensor::TensorSpec& weights() const { return weights_; }

  // What an honest agent would hand in for these bytes: uploaded and signed.
  v1::SubmitContributionRequest Prepare(const v1::TrainingAssignment& assignment,
                                        const std::string& delta, int64_t examples);
  absl::StatusOr<v1::Contribution> Submit(const v1::SubmitContributionRequest& request);
  absl::StatusOr<v1::Contribution> Abandon(const std::string& contribution);

  const std::string& member() const { return identity_.member; }
  const std::string& repository_name() const { return repository_name_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  Agent& agent_;
  const std::string repository_name_;  // resource name
  std::string plan_digest_, program_digest_;
  tensor::TensorSpec weights_;
  std::unique_ptr<identity::IdentityStore> identities_;
  identity::Identity identity_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ContributionService::Stub> stub_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchAssignmentsResponse>> stream_;
};

}  // namespace federity::e2e

#endif  // FEDERITY_TESTS_E2E_ROGUE_AGENT_H_
