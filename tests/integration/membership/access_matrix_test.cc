// Every method × every role × every kind of scope, against a table written down
// here independently of server/membership/permissions.cc. Methods whose service
// is not part of this server are answered by a probe behind the same dispatcher.

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>

#include <catch2/catch.hpp>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "federity/v1/commits.pb.h"
#include "federity/v1/contributions.pb.h"
#include "federity/v1/plans.pb.h"
#include "federity/v1/repositories.pb.h"
#include "federity/v1/rounds.pb.h"
#include "federity/v1/statistics.pb.h"
#include "federity/v1/uploads.pb.h"
#include "tests/integration/membership/membership_client.h"

namespace federity::testing {
namespace {

// Who may, by letter: A administrator, O owner, M maintainer, C contributor, V
// viewer, U auditor; "-": the method takes no such resource. Lower-case "agent":
// agents only.
struct Expected {
  const char* server;
  const char* organization;
  const char* repository;
  bool agent = false;
};
const std::map<std::string, Expected>& Table() {
  static const auto* const table = new std::map<std::string, Expected>{
      {"MembershipService/CreateInvitation", {"-", "AOM", "OM"}},
      {"MembershipService/ListInvitations", {"A", "AOM", "OM"}},
      {"MembershipService/RevokeInvitation", {"A", "AOM", "OM"}},
      {"MembershipService/ListMembers", {"A", "AOMCVU", "OMCVU"}},
      {"MembershipService/SetMemberRole", {"-", "O", "O"}},
      {"MembershipService/RemoveMember", {"A", "O", "O"}},
      {"RepositoryService/CreateRepository", {"-", "O", "-"}},
      {"RepositoryService/GetRepository", {"-", "-", "OMCVU"}},
      {"RepositoryService/DeleteRepository", {"-", "-", "O"}},
      {"PlanService/GetPlan", {"-", "-", "OMCVU"}},
      {"PlanService/ListPlans", {"-", "-", "OMCVU"}},
      {"PlanService/SetPlan", {"-", "-", "OM"}},
      {"CommitService/CreateCommit", {"-", "-", "OM"}},
      {"CommitService/GetCommit", {"-", "-", "OMCVU"}},
      {"CommitService/ListCommits", {"-", "-", "OMCVU"}},
      {"CommitService/DownloadCommit", {"-", "-", "OMCV"}},
      {"CommitService/RevertCommit", {"-", "-", "OM"}},
      {"CommitService/SetTag", {"-", "-", "OM"}},
      {"CommitService/ListTags", {"-", "-", "OMCVU"}},
      {"CommitService/DeleteTag", {"-", "-", "OM"}},
      {"RoundService/StartRound", {"-", "-", "OM"}},
      {"RoundService/GetRound", {"-", "-", "OMCVU"}},
      {"RoundService/ListRounds", {"-", "-", "OMCVU"}},
      {"RoundService/CancelRound", {"-", "-", "OM"}},
      {"RoundService/WatchRound", {"-", "-", "OMCVU"}},
      {"ContributionService/WatchAssignments", {"-", "-", "OMC", true}},
      {"ContributionService/ReportProgress", {"-", "-", "OMC", true}},
      {"ContributionService/SubmitContribution", {"-", "-", "OMC", true}},
      {"ContributionService/AbandonContribution", {"-", "-", "OMC", true}},
      {"ContributionService/SubmitEvaluation", {"-", "-", "OMC", true}},
      {"ContributionService/GetContribution", {"-", "-", "OMCVU"}},
      {"ContributionService/ListContributions", {"-", "-", "OMCVU"}},
      {"UploadService/CreateUpload", {"-", "-", "OMC"}},
      {"UploadService/GetUpload", {"-", "-", "OMC"}},
      {"UploadService/WriteUpload", {"-", "-", "OMC"}},
      {"StatisticsService/StartStatistics", {"-", "-", "OM"}},
      {"StatisticsService/GetStatistics", {"-", "-", "OMCV"}},
      {"StatisticsService/SubmitStatistics", {"-", "-", "OMC", true}},
      {"StatisticsService/GetStandardisation", {"-", "-", "OMCV"}},
      {"ServerService/ListAuditEvents", {"A", "OMU", "OMU"}},
  };
  return *table;
}
// Without a resource: everybody, but for administrators and repositories.
const std::map<std::string, std::string>& ScopelessTable() {
  static const auto* const table =
      new std::map<std::string, std::string>{{"MembershipService/GetCaller", "AOMCVU"},
                                             {"RepositoryService/ListRepositories", "OMCVU"},
                                             {"ServerService/GetServerInfo", "AOMCVU"}};
  return *table;
}

const google::protobuf::MethodDescriptor* FindMethod(const std::string& name) {
  // Naming a message makes the linker take its file, and with it the services.
  static const std::vector<const google::protobuf::Descriptor*> files = {
      v1::Commit::descriptor(),     v1::Contribution::descriptor(), v1::Plan::descriptor(),
      v1::Repository::descriptor(), v1::Round::descriptor(),        v1::StatisticsRun::descriptor(),
      v1::Upload::descriptor()};
  std::string full = "federity.v1." + name;
  std::replace(full.begin(), full.end(), '/', '.');
  return google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(full);
}

std::unique_ptr<google::protobuf::Message> NewMessage(const google::protobuf::Descriptor* type) {
  return std::unique_ptr<google::protobuf::Message>(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

grpc::ByteBuffer ToBuffer(const google::protobuf::Message& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

std::string FromBuffer(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  static_cast<void>(buffer.Dump(&slices));
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// Answers any method: one request message, then the dispatcher decides.
class ProbeReactor final : public grpc::ServerGenericBidiReactor {
 public:
  ProbeReactor(api::Dispatcher& dispatcher, grpc::GenericCallbackServerContext* context)
      : dispatcher_(dispatcher), context_(context) {
    StartRead(&request_);
  }
  void OnReadDone(bool ok) override {
    Finish(ok ? Decide() : grpc::Status(grpc::StatusCode::INTERNAL, "no request"));
  }
  void OnDone() override { delete this; }

 private:
  grpc::Status Decide() {
    const std::string path = context_->method();
    const auto* method = FindMethod(path.substr(std::string("/federity.v1.").size()));
    if (method == nullptr) {
      const v1::GetRoundRequest request;
      v1::Round response;
      return dispatcher_.Handle(
          context_, path, request, &response,
          [](api::Call&, const v1::GetRoundRequest&, v1::Round*) { return absl::OkStatus(); });
    }
    const auto request = NewMessage(method->input_type());
    const auto response = NewMessage(method->output_type());
    if (!request->ParseFromString(FromBuffer(request_))) {
      return {grpc::StatusCode::INTERNAL, "the probe's request does not parse"};
    }
    if (method->client_streaming() || method->server_streaming()) {
      const auto* field = method->input_type()->FindFieldByName("name");
      if (field == nullptr) field = method->input_type()->FindFieldByName("parent");
      return rpc::ToGrpc(
          dispatcher_
              .Authorise(context_, path, request->GetReflection()->GetString(*request, field))
              .status());
    }
    return dispatcher_.Handle(context_, path, *request, response.get(),
                              [](api::Call&, const google::protobuf::Message&,
                                 google::protobuf::Message*) { return absl::OkStatus(); });
  }

  api::Dispatcher& dispatcher_;
  grpc::GenericCallbackServerContext* const context_;
  grpc::ByteBuffer request_;
};

class ProbeService final : public grpc::CallbackGenericService {
 public:
  explicit ProbeService(ApiFixture& fixture) : fixture_(fixture) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new ProbeReactor(fixture_.dispatcher(), context);
  }

 private:
  ApiFixture& fixture_;
};

struct Fixture {
  Fixture()
      : api([this](ApiFixture& fixture, grpc::ServerBuilder& builder) {
          probe = std::make_unique<ProbeService>(fixture);
          builder.RegisterCallbackGenericService(probe.get());
        }) {
    api.MakeRepository("st-mary", "heart");
    api.MakeRepository("st-mary", "lung");
    api.MakeRepository("other", "heart");
  }

  // The last segment is no resource of any method, so that the real services
  // refuse it as malformed, but only once they may look at it.
  absl::Status Try(const ApiFixture::Member& member, const std::string& method,
                   const std::string& resource) {
    return Send(member.channel, method, resource);
  }
  absl::Status Send(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                    const std::string& resource) {
    const auto* descriptor = FindMethod(method);
    std::string bytes;
    if (descriptor != nullptr) {
      const auto request = NewMessage(descriptor->input_type());
      const auto* reflection = request->GetReflection();
      for (const char* name : {"name", "parent", "commit"}) {
        const auto* field = descriptor->input_type()->FindFieldByName(name);
        if (field == nullptr) continue;
        reflection->SetString(request.get(), field, resource);
        break;
      }
      if (const auto* field = descriptor->input_type()->FindFieldByName("request_id")) {
        reflection->SetString(request.get(), field, NewRequestId());
      }
      bytes = request->SerializeAsString();
    }
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
    std::promise<grpc::Status> done;
    grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(channel);
    stub.UnaryCall(&context, "/federity.v1." + method, grpc::StubOptions(), &request, &response,
                   [&](grpc::Status status) { done.set_value(std::move(status)); });
    const grpc::Status status = done.get_future().get();
    // The probe answers without a message, which a unary call takes amiss.
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED ||
        (status.error_code() == grpc::StatusCode::INTERNAL && status.error_details().empty())) {
      FAIL(method << ": " << status.error_message());
    }
    return rpc::FromGrpc(status);
  }

  std::unique_ptr<ProbeService> probe;
  ApiFixture api;
};

struct RoleCase {
  char letter;
  v1::Role role;
};
constexpr RoleCase kRoles[] = {{'O', v1::ROLE_OWNER},
                               {'M', v1::ROLE_MAINTAINER},
                               {'C', v1::ROLE_CONTRIBUTOR},
                               {'V', v1::ROLE_VIEWER},
                               {'U', v1::ROLE_AUDITOR}};

enum class Outcome { kAllowed, kMalformed, kRoleRequired, kNotFound, kOther };
Outcome OutcomeOf(const absl::Status& status) {
  if (status.ok()) return Outcome::kAllowed;
  switch (ReasonOf(status)) {
    case v1::ERROR_REASON_INVALID_ARGUMENT:
      return Outcome::kMalformed;
    case v1::ERROR_REASON_ROLE_REQUIRED:
      return Outcome::kRoleRequired;
    case v1::ERROR_REASON_NOT_FOUND:
      return Outcome::kNotFound;
    default:
      return Outcome::kOther;
  }
}

// The real services find the probe's resource malformed once they may look.
bool IsAllowed(Outcome outcome) {
  return outcome == Outcome::kAllowed || outcome == Outcome::kMalformed;
}

bool Has(const char* letters, char letter) {
  return std::string(letters).find(letter) != std::string::npos;
}

void CheckRow(Fixture& fixture, const ApiFixture::Member& member, char letter,
              const std::string& method, const Expected& expected, const std::string& resource,
              const char* letters, bool in_scope) {
  INFO(method << " by " << member.name << " (" << letter << ") on " << resource);
  const Outcome outcome = OutcomeOf(fixture.Try(member, method, resource));
  if (std::string(letters) == "-") {
    CHECK(outcome == Outcome::kMalformed);
  } else if (!in_scope) {
    CHECK(outcome == Outcome::kNotFound);
  } else if (Has(letters, letter) && (!expected.agent || member.kind == v1::MEMBER_KIND_AGENT)) {
    CHECK(IsAllowed(outcome));
  } else {
    CHECK(outcome == Outcome::kRoleRequired);
  }
}

TEST_CASE_METHOD(Fixture, "This table and the API have the same methods", "[access]") {
  REQUIRE(FindMethod("NoService/NoMethod") == nullptr);
  size_t count = 0;
  for (const char* service :
       {"MembershipService", "RepositoryService", "PlanService", "CommitService", "RoundService",
        "ContributionService", "UploadService", "StatisticsService", "ServerService"}) {
    const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
        std::string("federity.v1.") + service);
    REQUIRE(descriptor != nullptr);
    for (int i = 0; i < descriptor->method_count(); ++i, ++count) {
      const std::string name = std::string(service) + "/" + descriptor->method(i)->name();
      INFO(name);
      const bool is_public =
          name == "MembershipService/Join" || name == "MembershipService/RenewCertificate";
      CHECK((is_public || Table().contains(name) || ScopelessTable().contains(name)));
    }
  }
  CHECK(count == Table().size() + ScopelessTable().size() + 2);
}

TEST_CASE_METHOD(Fixture, "Members of a repository may what their role allows, there alone",
                 "[access]") {
  const auto kind = GENERATE(v1::MEMBER_KIND_PERSON, v1::MEMBER_KIND_AGENT);
  for (const RoleCase& role : kRoles) {
    const auto member = api.MakeMember("st-mary", "heart", role.role, kind);
    for (const auto& [method, expected] : Table()) {
      const auto check = [&, &method = method, &expected = expected](
                             const std::string& resource, const char* letters, bool in_scope) {
        CheckRow(*this, member, role.letter, method, expected, resource, letters, in_scope);
      };
      check("organizations/st-mary/repositories/heart/probes/x", expected.repository, true);
      check("organizations/st-mary/repositories/lung/probes/x", expected.repository, false);
      check("organizations/st-mary/probes/x", expected.organization, false);
      check("members/x", expected.server, false);
    }
  }
}

TEST_CASE_METHOD(Fixture, "Members of a namespace hold their role in every repository below",
                 "[access]") {
  for (const RoleCase& role : kRoles) {
    const auto member = api.MakeMember({.organization = "st-mary",
                                        .scope_organization = "st-mary",
                                        .role = role.role,
                                        .kind = v1::MEMBER_KIND_AGENT});
    for (const auto& [method, expected] : Table()) {
      const auto check = [&, &method = method, &expected = expected](
                             const std::string& resource, const char* letters, bool in_scope) {
        CheckRow(*this, member, role.letter, method, expected, resource, letters, in_scope);
      };
      check("organizations/st-mary/repositories/heart/probes/x", expected.repository, true);
      check("organizations/st-mary/repositories/lung/probes/x", expected.repository, true);
      check("organizations/st-mary/repositories/none/probes/x", expected.repository, false);
      check("organizations/other/repositories/heart/probes/x", expected.repository, false);
      check("organizations/st-mary/probes/x", expected.organization, true);
      check("organizations/other/probes/x", expected.organization, false);
      check("members/x", expected.server, false);
    }
  }
}

TEST_CASE_METHOD(Fixture, "Administrators run the server and see no repository", "[access]") {
  const auto member = api.MakeAdministrator();
  for (const auto& [method, expected] : Table()) {
    const auto check = [&, &method = method, &expected = expected](
                           const std::string& resource, const char* letters, bool in_scope) {
      CheckRow(*this, member, 'A', method, expected, resource, letters, in_scope);
    };
    check("organizations/st-mary/repositories/heart/probes/x", expected.repository, false);
    check("organizations/st-mary/repositories/none/probes/x", expected.repository, false);
    check("organizations/st-mary/probes/x", expected.organization, true);
    check("organizations/none/probes/x", expected.organization, true);
    check("auditEvents/1", expected.server, true);
  }
}

TEST_CASE_METHOD(Fixture, "Methods without a resource", "[access]") {
  for (const RoleCase& role : kRoles) {
    const auto member = api.MakeMember("st-mary", "heart", role.role);
    for (const auto& [method, letters] : ScopelessTable()) {
      INFO(method << " " << role.letter);
      CHECK(Try(member, method, "").ok());
    }
  }
  const auto administrator = api.MakeAdministrator();
  CHECK(Try(administrator, "MembershipService/GetCaller", "").ok());
  CHECK(Try(administrator, "ServerService/GetServerInfo", "").ok());
  CHECK(OutcomeOf(Try(administrator, "RepositoryService/ListRepositories", "")) ==
        Outcome::kRoleRequired);
}

TEST_CASE_METHOD(Fixture, "What exists elsewhere looks as what does not exist", "[access]") {
  const auto outsider = api.MakeMember("st-mary", "lung", v1::ROLE_OWNER);
  api.MakeRepository("st-mary", "ended");
  api.Sql("UPDATE repositories SET deleted_at = now() WHERE name = 'ended'");
  // The same lengths, so that the errors can be compared byte for byte.
  const auto masked = [&](const std::string& method, const std::string& repository) {
    absl::Status status =
        Try(outsider, method, "organizations/st-mary/repositories/" + repository + "/probes/x");
    std::string text = status.ToString();
    for (size_t at; (at = text.find(repository)) != std::string::npos;) {
      text.replace(at, repository.size(), "*");
    }
    return text;
  };
  for (const auto& [method, expected] : Table()) {
    if (std::string(expected.repository) == "-") continue;
    INFO(method);
    CHECK(masked(method, "heart") == masked(method, "nones"));
    CHECK(masked(method, "heart") == masked(method, "ended"));
  }
}

TEST_CASE_METHOD(Fixture, "Nothing is possible without a certificate", "[access]") {
  const auto anonymous = api.AnonymousChannel();
  std::vector<std::string> methods = {"RoundService/NoSuchMethod"};
  for (const auto& [method, expected] : Table()) methods.push_back(method);
  for (const auto& [method, letters] : ScopelessTable()) methods.push_back(method);
  for (const std::string& method : methods) {
    INFO(method);
    CHECK(ReasonOf(Send(anonymous, method, "organizations/st-mary/repositories/heart")) ==
          v1::ERROR_REASON_CERTIFICATE_REQUIRED);
  }
}

TEST_CASE_METHOD(Fixture, "A removed member may nothing at all", "[access]") {
  const auto member = api.MakeMember("st-mary", "heart", v1::ROLE_OWNER);
  api.Sql("UPDATE members SET removed_at = now() WHERE id = $1", store::Params().Text(member.id));
  for (const auto& [method, expected] : Table()) {
    INFO(method);
    CHECK(ReasonOf(Try(member, method, "organizations/st-mary/repositories/heart")) ==
          v1::ERROR_REASON_MEMBER_REMOVED);
  }
}

TEST_CASE_METHOD(Fixture, "A method that the table lacks is denied to owners too", "[access]") {
  const auto owner = api.MakeOwner("st-mary");
  CHECK(ReasonOf(Try(owner, "RoundService/NoSuchMethod", "")) == v1::ERROR_REASON_METHOD_DENIED);
}

TEST_CASE_METHOD(Fixture, "Malformed names are refused as such", "[access]") {
  const auto owner = api.MakeOwner("st-mary");
  for (const std::string& name :
       {std::string(), std::string("/"), std::string("organizations/"),
        std::string("organizations/st-mary/repositories/"), std::string("organizations/St-Mary"),
        std::string("organizations/st-mary/repositories/heart/rounds/"),
        std::string("organizations/'; DROP TABLE members; --/repositories/heart"),
        std::string("organizations/st-mary/repositories/heart") + '\0', std::string(100000, 'a')}) {
    INFO(name.substr(0, 80));
    CHECK(OutcomeOf(Try(owner, "RepositoryService/GetRepository", name)) == Outcome::kMalformed);
  }
}

}  // namespace
}  // namespace federity::testing
