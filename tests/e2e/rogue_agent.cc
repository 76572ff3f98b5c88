#include "tests/e2e/rogue_agent.h"

#include <cstring>
#include <stdexcept>
#include <utility>

#include "client/identity/call.h"
#include "client/transfer/transfer.h"
#include "common/contribution/contribution_statement.h"
#include "common/crypto/digest.h"
#include "common/crypto/secret.h"
#include "common/tensor/plain_delta.h"

namespace federity::e2e {
namespace {

template <typename T>
T Require(absl::StatusOr<T> value) {
  if (!value.ok()) throw std::runtime_error(value.status().ToString());
  return *std::move(value);
}

// "st-mary/breast" as a resource name.
std::string ResourceName(const std::string& repository) {
  const size_t slash = repository.find('/');
  return "organizations/" + repository.substr(0, slash) + "/repositories/" +
         repository.substr(slash + 1);
}

}  // namespace

RogueAgent::RogueAgent(Federation& federation, const std::string& repository,
                       const std::string& organization)
    : agent_(federation.JoinAgent(repository, organization)),
      repository_name_(ResourceName(repository)),
      identities_(Require(identity::IdentityStore::Open(agent_.state()))),
      identity_(Require(identities_->List()).at(0)),
      channel_(Require(identities_->Connect(identity_.id))),
      stub_(v1::ContributionService::NewStub(channel_)) {
  const nlohmann::json head = federation.Head(repository);
  plan_digest_ = head.at("plan_digest");
  program_digest_ = head.at("program_digest");
  const std::filesystem::path file = agent_.directory() / "base.safetensors";
  federation.Do("owner", {"pull", repository, "-o", file.string()});
  const std::string bytes = ReadText(file);
  const auto length = static_cast<size_t>(Require(tensor::HeaderLength(bytes.substr(0, 8))));
  weights_ = Require(tensor::DecodeHeader(bytes.substr(0, length)));
}

void RogueAgent::Connect() {
  context_ = std::make_unique<grpc::ClientContext>();
  identity::SetDeadline(*context_, absl::Minutes(3));
  v1::WatchAssignmentsRequest request;
  request.set_parent(repository_name_);
  request.set_version("0.1.0");
  request.set_approved_plan_digest(plan_digest_);
  request.set_approved_program_digest(program_digest_);
  v1::DatasetSummary* dataset = request.add_datasets();
  dataset->set_label("rows");
  dataset->set_kind("table");
  dataset->set_rows(100);
  stream_ = stub_->WatchAssignments(context_.get(), request);
  v1::WatchAssignmentsResponse first;  // says that the coordinator counts it in
  if (!stream_->Read(&first)) throw std::runtime_error(stream_->Finish().error_message());
}

v1::TrainingAssignment RogueAgent::AwaitTraining() {
  v1::WatchAssignmentsResponse event;
  while (stream_->Read(&event)) {
    if (event.has_training()) return event.training();
  }
  throw std::runtime_error("the stream ended: " + stream_->Finish().error_message());
}

std::string RogueAgent::Delta(int32_t q) const {
  const tensor::TensorSpec spec = Require(tensor::PlainDeltaSpec(weights_));
  std::string data(static_cast<size_t>(spec.data_bytes()), '\0');
  std::memcpy(data.data(), &q, sizeof(q));
  return tensor::EncodeHeader(spec) + data;
}

v1::SubmitContributionRequest RogueAgent::Prepare(const v1::TrainingAssignment& assignment,
                                                  const std::string& delta, int64_t examples) {
  const std::filesystem::path file = agent_.directory() / "delta.safetensors";
  WriteText(file, delta);
  v1::SubmitContributionRequest request;
  request.set_name(assignment.contribution());
  request.set_upload(Require(
      transfer::UploadFile(channel_, repository_name_, file, crypto::RandomUuid())));
  request.set_examples(examples);
  request.set_request_id(crypto::RandomUuid());
  const crypto::SigningKey key = Require(identities_->ContributionKey(identity_.id));
  request.set_signature(key.Sign(
      contribution::kContributionLabel,
      contribution::BuildContributionStatement(
          assignment.contribution(),
          Require(crypto::ParseDigest(assignment.base_commit().digest())),
          Require(crypto::ParseDigest(plan_digest_)), crypto::Sha256(delta), examples)));
  return request;
}

absl::StatusOr<v1::Contribution> RogueAgent::Submit(const v1::SubmitContributionRequest& request) {
  return identity::Call(*stub_, &v1::ContributionService::Stub::SubmitContribution, request);
}

absl::StatusOr<v1::Contribution> RogueAgent::Abandon(const std::string& name) {
  v1::AbandonContributionRequest request;
  request.set_name(name);
  request.set_reason("I do not feel like it");
  request.set_request_id(crypto::RandomUuid());
  return identity::Call(*stub_, &v1::ContributionService::Stub::AbandonContribution, request);
}

}  // namespace federity::e2e
