#ifndef FEDERITY_TESTS_INTEGRATION_REPOSITORIES_REPOSITORY_FIXTURE_H_
#define FEDERITY_TESTS_INTEGRATION_REPOSITORIES_REPOSITORY_FIXTURE_H_

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <semaphore>
#include <string>
#include <vector>

#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/tensor/safetensors.h"
#include "federity/v1/commits.grpc.pb.h"
#include "federity/v1/membership.grpc.pb.h"
#include "federity/v1/plans.grpc.pb.h"
#include "federity/v1/repositories.grpc.pb.h"
#include "federity/v1/uploads.grpc.pb.h"
#include "server/api/commit_service.h"
#include "server/api/plan_service.h"
#include "server/api/repository_service.h"
#include "server/api/upload_service.h"
#include "server/repositories/repositories.h"
#include "tests/testing/api_fixture.h"

namespace federity::testing {

inline constexpr char kPlan[] = R"(
[data]
kind = "table"
features = ["age", "creatinine"]
label = "outcome"
classes = ["no", "yes"]
standardise = "federated"
)";

// A file of weights with one tensor "w" of these values, and a counter.
inline std::string Weights(const std::vector<float>& values) {
  auto spec = tensor::MakeTensorSpec(tensor::kWeightsEncoding,
                                     {{.name = "w",
                                       .dtype = tensor::DType::kF32,
                                       .shape = {static_cast<int64_t>(values.size())}}});
  REQUIRE(spec.ok());
  std::string file = tensor::EncodeHeader(*spec);
  file.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return file;
}

// The services of repositories, plans, commits and uploads over a blob store of
// their own; a namespace st-mary with an owner, and a repository heart.
class RepositoryFixture {
 public:
  explicit RepositoryFixture(repositories::UploadLimits limits = {})
      : folder_(MakeFolder()),
        store_(*blobs::BlobStore::Open(folder_ / "blobs")),
        api_([this, limits](ApiFixture& api, grpc::ServerBuilder& builder) {
          services_ = std::make_unique<Services>(api.dispatcher(), *store_, key_file_, limits);
          builder.RegisterService(&services_->repositories);
          builder.RegisterService(&services_->plans);
          builder.RegisterService(&services_->commits);
          builder.RegisterService(&services_->uploads);
        }),
        owner_(api_.MakeOwner("st-mary")) {
    v1::Repository repository;
    REQUIRE(CreateRepository("heart", &repository) == absl::OkStatus());
    name_ = repository.name();
    id_ = IdOf("heart");
  }
  ~RepositoryFixture() {
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }

 protected:
  using Member = ApiFixture::Member;

  absl::Status CreateRepository(const std::string& id, v1::Repository* repository,
                                const std::string& plan = kPlan) {
    v1::CreateRepositoryRequest request;
    request.set_parent("organizations/st-mary");
    request.set_repository_id(id);
    request.set_description("A model of hearts");
    request.set_plan_toml(plan);
    request.set_request_id(NewRequestId());
    auto stub = v1::RepositoryService::NewStub(owner_.channel);
    return Call(*stub, &v1::RepositoryService::Stub::CreateRepository, request, repository);
  }
  std::string IdOf(const std::string& repository) {
    return api_
        .Sql("SELECT id FROM repositories WHERE name = $1 AND deleted_at IS NULL",
             store::Params().Text(repository))
        .at(0)
        .Text(0);
  }
  Member MakeMember(v1::Role role, const std::string& organization = "hospital") {
    return api_.MakeMember("st-mary", "heart", role, v1::MEMBER_KIND_PERSON, organization);
  }

  absl::Status CreateUpload(const Member& member, int64_t size, const std::string& digest,
                            v1::Upload* upload) {
    v1::CreateUploadRequest request;
    request.set_parent(name_);
    request.set_size_bytes(size);
    request.set_digest(digest);
    request.set_request_id(NewRequestId());
    auto stub = v1::UploadService::NewStub(member.channel);
    return Call(*stub, &v1::UploadService::Stub::CreateUpload, request, upload);
  }
  // Streams `data` from `offset` on.
  absl::Status WriteUpload(const Member& member, const std::string& upload, int64_t offset,
                           std::string_view data, v1::Upload* response, size_t chunk = 1 << 20) {
    auto stub = v1::UploadService::NewStub(member.channel);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
    auto stream = stub->WriteUpload(&context, response);
    v1::WriteUploadRequest message;
    message.set_name(upload);
    message.set_offset(offset);
    bool more = true;
    for (bool first = true; (first || !data.empty()) && more; first = false) {
      const size_t part = std::min(chunk, data.size());
      message.set_data(std::string(data.substr(0, part)));
      data.remove_prefix(part);
      more = stream->Write(message);
      message.Clear();
    }
    stream->WritesDone();
    return rpc::FromGrpc(stream->Finish());
  }
  // A complete upload; its name.
  std::string Upload(const Member& member, const std::string& content) {
    v1::Upload upload;
    REQUIRE(CreateUpload(member, static_cast<int64_t>(content.size()),
                         crypto::Sha256(content).ToString(), &upload) == absl::OkStatus());
    const std::string name = upload.name();
    REQUIRE(WriteUpload(member, name, 0, content, &upload) == absl::OkStatus());
    REQUIRE(upload.complete());
    return name;
  }
  absl::Status GetUpload(const Member& member, const std::string& name, v1::Upload* upload) {
    v1::GetUploadRequest request;
    request.set_name(name);
    auto stub = v1::UploadService::NewStub(member.channel);
    return Call(*stub, &v1::UploadService::Stub::GetUpload, request, upload);
  }

  absl::Status Commit(const Member& member, const v1::CreateCommitRequest& request,
                      v1::Commit* commit) {
    auto stub = v1::CommitService::NewStub(member.channel);
    return Call(*stub, &v1::CommitService::Stub::CreateCommit, request, commit);
  }
  // Pushes as the owner; an empty program leaves it as it is.
  absl::Status Push(const std::string& parent, const std::string& program,
                    const std::string& weights, v1::Commit* commit,
                    const std::string& message = "a push") {
    v1::CreateCommitRequest request;
    request.set_parent(name_);
    request.set_parent_commit(parent);
    if (!program.empty()) request.set_program_upload(Upload(owner_, program));
    request.set_weights_upload(Upload(owner_, weights));
    request.set_message(message);
    request.set_request_id(NewRequestId());
    return Commit(owner_, request, commit);
  }
  v1::Commit MustPush(const std::string& parent, const std::string& program,
                      const std::string& weights) {
    v1::Commit commit;
    REQUIRE(Push(parent, program, weights, &commit) == absl::OkStatus());
    return commit;
  }
  absl::Status GetCommit(const Member& member, const std::string& id, v1::Commit* commit) {
    v1::GetCommitRequest request;
    request.set_name(name_ + "/commits/" + id);
    auto stub = v1::CommitService::NewStub(member.channel);
    return Call(*stub, &v1::CommitService::Stub::GetCommit, request, commit);
  }
  absl::Status Download(const Member& member, const std::string& id, v1::CommitPart part,
                        int64_t offset, std::string* content,
                        v1::DownloadCommitResponse* first = nullptr) {
    auto stub = v1::CommitService::NewStub(member.channel);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
    v1::DownloadCommitRequest request;
    request.set_name(name_ + "/commits/" + id);
    request.set_part(part);
    request.set_offset(offset);
    auto stream = stub->DownloadCommit(&context, request);
    v1::DownloadCommitResponse message;
    for (bool is_first = true; stream->Read(&message); is_first = false) {
      content->append(message.data());
      if (is_first && first != nullptr) *first = message;
    }
    return rpc::FromGrpc(stream->Finish());
  }

  // Removes a member as the owner, and waits until its open streams were told.
  void RemoveAtOnce(const Member& member) {
    std::counting_semaphore<> told(0);
    // Those that subscribed before this are called before it.
    const auto subscription =
        api_.database().Subscribe(StrCat("member:", member.id), [&] { told.release(); });
    while (told.try_acquire()) {
    }
    v1::RemoveMemberRequest request;
    request.set_name(member.name);
    request.set_request_id(NewRequestId());
    google::protobuf::Empty empty;
    auto stub = v1::MembershipService::NewStub(owner_.channel);
    REQUIRE(Call(*stub, &v1::MembershipService::Stub::RemoveMember, request, &empty) ==
            absl::OkStatus());
    REQUIRE(told.try_acquire_for(std::chrono::seconds(20)));
  }

  // A running round on the head, and its end.
  void StartRound(int64_t number = 1) {
    api_.Sql(
        "INSERT INTO series (id, repository, count, creator, created_at) "
        "SELECT gen_random_uuid(), $1, 1, m.id, now() FROM members m WHERE m.id = $2",
        store::Params().Text(id_).Text(owner_.id));
    api_.Sql(
        "INSERT INTO rounds (repository, number, series, series_index, state, base_commit, "
        "plan_digest, seed, min_contributions, training_seconds, max_examples, created_at, "
        "recruit_deadline) SELECT r.id, $2, s.id, 1, 2, r.head, r.plan_digest, 1, 3, 600, "
        "1000, now(), now() FROM repositories r JOIN series s ON "
        "s.repository = r.id WHERE r.id = $1 LIMIT 1",
        store::Params().Text(id_).Int(number));
  }
  void EndRound(int state) {
    api_.Sql("UPDATE rounds SET state = $2 WHERE repository = $1",
             store::Params().Text(id_).Int(state));
  }

 private:
  struct Services {
    Services(api::Dispatcher& dispatcher, blobs::BlobStore& store, const crypto::Secret& key_file,
             repositories::UploadLimits limits)
        : repositories(dispatcher, store, key_file),
          plans(dispatcher),
          commits(dispatcher, store, key_file),
          uploads(dispatcher, store, key_file, limits) {}
    api::RepositoryService repositories;
    api::PlanService plans;
    api::CommitService commits;
    api::UploadService uploads;
  };
  static std::filesystem::path MakeFolder() {
    std::string folder = std::filesystem::temp_directory_path() / "federity-repo-XXXXXX";
    REQUIRE(mkdtemp(folder.data()) != nullptr);
    return folder;
  }

 protected:
  const std::filesystem::path folder_;
  const crypto::Secret key_file_{std::string(32, 'f')};
  std::unique_ptr<blobs::BlobStore> store_;

 private:
  std::unique_ptr<Services> services_;

 protected:
  ApiFixture api_;
  Member owner_;
  std::string name_;  // of heart
  std::string id_;
};

// Compares an error's reason; shows the error when it differs.
inline void CheckReason(const absl::Status& status, v1::ErrorReason reason) {
  INFO(status.ToString());
  CHECK(ReasonOf(status) == reason);
}

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_INTEGRATION_REPOSITORIES_REPOSITORY_FIXTURE_H_
