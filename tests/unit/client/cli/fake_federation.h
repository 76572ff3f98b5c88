#ifndef FEDERITY_TESTS_UNIT_CLIENT_CLI_FAKE_FEDERATION_H_
#define FEDERITY_TESTS_UNIT_CLIENT_CLI_FAKE_FEDERATION_H_

#include <grpcpp/grpcpp.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/app.h"
#include "client/cli/cli_context.h"
#include "client/identity/choose.h"
#include "client/identity/identity_store.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/strings.h"
#include "common/crypto/digest.h"
#include "common/plan/plan.h"
#include "common/rpc/status_codec.h"
#include "federity/v1/commits.grpc.pb.h"
#include "federity/v1/membership.grpc.pb.h"
#include "federity/v1/plans.grpc.pb.h"
#include "federity/v1/repositories.grpc.pb.h"
#include "federity/v1/rounds.grpc.pb.h"
#include "federity/v1/uploads.grpc.pb.h"

namespace federity::cli {

inline constexpr char kRepository[] = "organizations/st-mary/repositories/heart";

// A coordinator in this process: enough of each service for one repository.
// What a test reads or sets is plain; calls come one at a time.
class FakeServices final : public v1::RepositoryService::Service,
                           public v1::UploadService::Service,
                           public v1::CommitService::Service,
                           public v1::PlanService::Service,
                           public v1::RoundService::Service,
                           public v1::MembershipService::Service {
 public:
  FakeServices() {
    grpc::ServerBuilder builder;
    builder.RegisterService(static_cast<v1::RepositoryService::Service*>(this));
    builder.RegisterService(static_cast<v1::UploadService::Service*>(this));
    builder.RegisterService(static_cast<v1::CommitService::Service*>(this));
    builder.RegisterService(static_cast<v1::PlanService::Service*>(this));
    builder.RegisterService(static_cast<v1::RoundService::Service*>(this));
    builder.RegisterService(static_cast<v1::MembershipService::Service*>(this));
    server_ = builder.BuildAndStart();
  }
  ~FakeServices() override { server_->Shutdown(std::chrono::system_clock::now()); }
  std::shared_ptr<grpc::Channel> Channel() { return server_->InProcessChannel({}); }

  // The next calls of a method fail so, in order.
  std::map<std::string, std::deque<absl::Status>> failures;
  // Every call's method, and the request_id of those that have one.
  std::vector<std::string> calls;
  std::map<std::string, std::vector<std::string>> request_ids;

  std::unique_ptr<v1::Repository> repository;
  std::unique_ptr<v1::Commit> commit;
  std::map<std::string, std::string> uploads;  // by request_id: the bytes
  std::vector<v1::Member> members;
  v1::CreateInvitationRequest invited;
  std::vector<std::string> listed;  // parents of ListMembers and ListInvitations
  v1::CreateCommitRequest committed;
  // Each stream of WatchRound sends these and ends with that status.
  struct Stream {
    std::vector<v1::Round> rounds;
    absl::Status end;
  };
  std::deque<Stream> watches;
  std::vector<std::string> watched;

  grpc::Status CreateRepository(grpc::ServerContext*, const v1::CreateRepositoryRequest* request,
                                v1::Repository* response) override {
    if (auto failed = Enter("CreateRepository", request->request_id()); !failed.ok()) return failed;
    if (repository) {
      return rpc::ToGrpc(Error(v1::ERROR_REASON_ALREADY_EXISTS, "it exists already"));
    }
    repository = std::make_unique<v1::Repository>();
    repository->set_name(StrCat(request->parent(), "/repositories/", request->repository_id()));
    repository->set_plan(StrCat(repository->name(), "/plans/x"));
    repository->set_plan_digest(PlanDigest(*ParsePlan(request->plan_toml())).ToString());
    repository->mutable_create_time()->set_seconds(1'800'000'000);
    repository->add_privacy_lines("coordinator sees data: no");
    *response = *repository;
    return grpc::Status::OK;
  }

  grpc::Status GetRepository(grpc::ServerContext*, const v1::GetRepositoryRequest*,
                             v1::Repository* response) override {
    if (auto failed = Enter("GetRepository", ""); !failed.ok()) return failed;
    if (!repository) return rpc::ToGrpc(NotFound("repository"));
    *response = *repository;
    return grpc::Status::OK;
  }

  grpc::Status CreateUpload(grpc::ServerContext*, const v1::CreateUploadRequest* request,
                            v1::Upload* response) override {
    if (auto failed = Enter("CreateUpload", request->request_id()); !failed.ok()) return failed;
    declared_[request->request_id()] = *request;
    uploads.try_emplace(request->request_id());
    *response = UploadOf(request->request_id());
    return grpc::Status::OK;
  }

  grpc::Status GetUpload(grpc::ServerContext*, const v1::GetUploadRequest* request,
                         v1::Upload* response) override {
    *response = UploadOf(request->name().substr(request->name().rfind('/') + 1));
    return grpc::Status::OK;
  }

  grpc::Status WriteUpload(grpc::ServerContext*, grpc::ServerReader<v1::WriteUploadRequest>* reader,
                           v1::Upload* response) override {
    v1::WriteUploadRequest request;
    std::string id;
    while (reader->Read(&request)) {
      if (!request.name().empty()) id = request.name().substr(request.name().rfind('/') + 1);
      uploads[id] += request.data();
    }
    if (auto failed = Enter("WriteUpload", id); !failed.ok()) return failed;
    *response = UploadOf(id);
    return grpc::Status::OK;
  }

  grpc::Status CreateCommit(grpc::ServerContext*, const v1::CreateCommitRequest* request,
                            v1::Commit* response) override {
    if (auto failed = Enter("CreateCommit", request->request_id()); !failed.ok()) return failed;
    committed = *request;
    const auto digest_of = [&](const std::string& upload) {
      return declared_[upload.substr(upload.rfind('/') + 1)].digest();
    };
    commit = std::make_unique<v1::Commit>();
    commit->set_name(StrCat(kRepository, "/commits/", std::string(64, 'a')));
    commit->set_version(1);
    commit->set_program_digest(digest_of(request->program_upload()));
    commit->set_weights_digest(digest_of(request->weights_upload()));
    repository->set_head(commit->name());
    *response = *commit;
    return grpc::Status::OK;
  }

  grpc::Status GetCommit(grpc::ServerContext*, const v1::GetCommitRequest*,
                         v1::Commit* response) override {
    if (auto failed = Enter("GetCommit", ""); !failed.ok()) return failed;
    if (!commit) return rpc::ToGrpc(NotFound("commit"));
    *response = *commit;
    return grpc::Status::OK;
  }

  grpc::Status ListCommits(grpc::ServerContext*, const v1::ListCommitsRequest* request,
                           v1::ListCommitsResponse* response) override {
    if (auto failed = Enter("ListCommits", ""); !failed.ok()) return failed;
    // Two pages of one commit each.
    const bool second = request->page_token() == "2";
    *response->add_commits() = *commit;
    response->mutable_commits(0)->set_version(second ? 1 : 2);
    if (!second) response->set_next_page_token("2");
    return grpc::Status::OK;
  }

  grpc::Status StartRound(grpc::ServerContext*, const v1::StartRoundRequest* request,
                          v1::Round* response) override {
    if (auto failed = Enter("StartRound", request->request_id()); !failed.ok()) return failed;
    response->set_name(StrCat(request->parent(), "/rounds/1"));
    response->set_state(v1::Round::RECRUITING);
    return grpc::Status::OK;
  }

  grpc::Status WatchRound(grpc::ServerContext*, const v1::WatchRoundRequest* request,
                          grpc::ServerWriter<v1::WatchRoundResponse>* writer) override {
    Enter("WatchRound", "");
    watched.push_back(request->name());
    if (watches.empty()) return rpc::ToGrpc(NotFound("round"));
    const Stream stream = watches.front();
    watches.pop_front();
    for (const v1::Round& round : stream.rounds) {
      v1::WatchRoundResponse response;
      *response.mutable_round() = round;
      writer->Write(response);
    }
    return rpc::ToGrpc(stream.end);
  }

  grpc::Status ListMembers(grpc::ServerContext*, const v1::ListMembersRequest* request,
                           v1::ListMembersResponse* response) override {
    if (auto failed = Enter("ListMembers", ""); !failed.ok()) return failed;
    listed.push_back(request->parent());
    for (const v1::Member& member : members) *response->add_members() = member;
    return grpc::Status::OK;
  }

  grpc::Status ListInvitations(grpc::ServerContext*, const v1::ListInvitationsRequest* request,
                               v1::ListInvitationsResponse*) override {
    if (auto failed = Enter("ListInvitations", ""); !failed.ok()) return failed;
    listed.push_back(request->parent());
    return grpc::Status::OK;
  }

  grpc::Status CreateInvitation(grpc::ServerContext*, const v1::CreateInvitationRequest* request,
                                v1::CreateInvitationResponse* response) override {
    if (auto failed = Enter("CreateInvitation", request->request_id()); !failed.ok()) return failed;
    invited = *request;
    v1::Invitation& invitation = *response->mutable_invitation();
    invitation.set_kind(request->kind());
    invitation.set_role(request->role());
    invitation.set_count(request->count());
    invitation.set_organization_display_name(request->organization_display_name());
    response->set_link("federity://host:8443/j1/secret");
    return grpc::Status::OK;
  }

  grpc::Status RemoveMember(grpc::ServerContext*, const v1::RemoveMemberRequest* request,
                            google::protobuf::Empty*) override {
    return Enter("RemoveMember", request->request_id());
  }

 private:
  grpc::Status Enter(const std::string& method, const std::string& request_id) {
    const std::lock_guard lock(mutex_);
    calls.push_back(method);
    if (!request_id.empty()) request_ids[method].push_back(request_id);
    auto& queue = failures[method];
    if (queue.empty()) return grpc::Status::OK;
    const absl::Status status = queue.front();
    queue.pop_front();
    return rpc::ToGrpc(status);
  }

  v1::Upload UploadOf(const std::string& id) {
    v1::Upload upload;
    upload.set_name(StrCat(kRepository, "/uploads/", id));
    upload.set_size_bytes(declared_[id].size_bytes());
    upload.set_digest(declared_[id].digest());
    upload.set_committed_bytes(static_cast<int64_t>(uploads[id].size()));
    upload.set_complete(upload.committed_bytes() == upload.size_bytes());
    return upload;
  }

  std::mutex mutex_;
  std::map<std::string, v1::CreateUploadRequest> declared_;
  std::unique_ptr<grpc::Server> server_;
};

// The memberships of a test; every one reaches the same coordinator.
class FakeStore final : public identity::IdentityStore {
 public:
  explicit FakeStore(FakeServices& services) : services_(services) {}
  std::vector<identity::Identity> identities;
  std::vector<std::string> removed;
  absl::Status connect;  // what Connect answers, if not OK

  absl::StatusOr<identity::Identity> Join(const rpc::JoinLink&, v1::MemberKind,
                                          std::string_view) override {
    return absl::UnimplementedError("not here");
  }
  absl::StatusOr<std::vector<identity::Identity>> List() override { return identities; }
  absl::StatusOr<identity::Identity> Get(std::string_view id) override {
    for (const auto& identity : identities)
      if (identity.id == id) return identity;
    return absl::NotFoundError("no such membership");
  }
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(std::string_view) override {
    if (!connect.ok()) return connect;
    return services_.Channel();
  }
  absl::StatusOr<identity::Identity> ForRepository(std::string_view name) override {
    return identity::ChooseIdentity(identities, name, true);
  }
  absl::StatusOr<identity::Identity> ForScope(std::string_view scope) override {
    return identity::ChooseIdentity(identities, scope, false);
  }
  absl::StatusOr<crypto::SigningKey> ContributionKey(std::string_view) override {
    return crypto::SigningKey::Generate();
  }
  absl::Status Remove(std::string_view id) override {
    removed.emplace_back(id);
    return absl::OkStatus();
  }

 private:
  FakeServices& services_;
};

// The command line over all that, in a folder of its own.
struct FakeFederation {
  FakeFederation() {
    std::string pattern = (std::filesystem::temp_directory_path() / "federity-cli-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    identity::Identity owner;
    owner.id = "11111111-0000-4000-8000-000000000001";
    owner.scope = "organizations/st-mary";
    owner.member = StrCat(owner.scope, "/members/", owner.id);
    owner.role = v1::ROLE_OWNER;
    owner.ca_fingerprint = std::string(64, 'c');
    owner.address = "host:8443";
    owner.addresses = {owner.address};
    store.identities.push_back(owner);
  }
  ~FakeFederation() {
    std::error_code error;
    std::filesystem::remove_all(folder, error);
  }

  std::string Write(const std::string& name, const std::string& text) {
    REQUIRE(WriteFileAtomically(folder / name, text).ok());
    return (folder / name).string();
  }

  struct Result {
    int status = 0;
    std::string out;
    std::string err;
    nlohmann::json Json() const { return nlohmann::json::parse(out); }
  };
  Result Run(const std::vector<std::string>& arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out, err;
    terminal::Output output{.in = in, .out = out, .err = err};
    const int status = RunCommandLine(arguments, output, [&](const ChosenCommand& command) {
      CliContext cli{.home = folder,
                     .store = store,
                     .output = output,
                     .run_job = run_job,
                     .patience = absl::Seconds(5)};
      return command(cli);
    });
    return {.status = status, .out = out.str(), .err = err.str()};
  }

  std::filesystem::path folder;
  FakeServices services;
  FakeStore store{services};
  std::function<absl::StatusOr<worker::v1::Result>(const worker::v1::Request&,
                                                   const trainer::JobOptions&)>
      run_job = [](const worker::v1::Request&, const trainer::JobOptions&) {
        return absl::StatusOr<worker::v1::Result>(absl::InternalError("no trainer here"));
      };
};

}  // namespace federity::cli

#endif  // FEDERITY_TESTS_UNIT_CLIENT_CLI_FAKE_FEDERATION_H_
