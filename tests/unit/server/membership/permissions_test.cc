#include "server/membership/permissions.h"

#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/descriptor.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <set>
#include <string>

#include "common/base/errors.h"

namespace federity::membership {
namespace {

// The API's files as protoc reads them: what is linked here may be fewer.
class Protos final : public google::protobuf::compiler::MultiFileErrorCollector {
 public:
  Protos() {
    tree_.MapPath("", FEDERITY_PROTO_DIR);
    for (const char* dir : {"/usr/include", "/usr/local/include"}) tree_.MapPath("", dir);
  }
  const google::protobuf::FileDescriptor* Import(const std::string& name) {
    return importer_.Import(name);
  }
  void AddError(const std::string& file, int line, int, const std::string& message) override {
    FAIL_CHECK(file << ":" << line + 1 << ": " << message);
  }

 private:
  google::protobuf::compiler::DiskSourceTree tree_;
  google::protobuf::compiler::Importer importer_{&tree_, this};
};

// Of every file, so that a new service can't be forgotten.
std::vector<const google::protobuf::MethodDescriptor*> AllMethods() {
  static Protos protos;
  const std::filesystem::path root(FEDERITY_PROTO_DIR);
  std::vector<const google::protobuf::MethodDescriptor*> methods;
  for (const auto& entry : std::filesystem::directory_iterator(root / "federity" / "v1")) {
    if (entry.path().extension() != ".proto") continue;
    const auto* file = protos.Import(entry.path().lexically_relative(root).string());
    REQUIRE(file != nullptr);
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        methods.push_back(file->service(s)->method(m));
      }
    }
  }
  return methods;
}

std::string PathOf(const google::protobuf::MethodDescriptor& method) {
  return "/" + method.service()->full_name() + "/" + method.name();
}

TEST_CASE("The permission table has every method of the API and nothing else", "[membership]") {
  std::set<std::string> methods, rows;
  for (const auto* method : AllMethods()) methods.insert(PathOf(*method));
  for (const Permission& permission : AllPermissions()) {
    CHECK(rows.insert(std::string(permission.method)).second);
  }
  CHECK(methods.size() > 40);
  CHECK(methods == rows);
}

TEST_CASE("A method is a mutation exactly if its request has a request_id", "[membership]") {
  for (const auto* method : AllMethods()) {
    INFO(PathOf(*method));
    const Permission* permission = FindPermission(PathOf(*method));
    REQUIRE(permission != nullptr);
    const bool has_request_id = method->input_type()->FindFieldByName("request_id") != nullptr;
    CHECK(permission->mutation == has_request_id);
  }
}

TEST_CASE("A method with a scope has a field that names its resource", "[membership]") {
  for (const auto* method : AllMethods()) {
    INFO(PathOf(*method));
    const Permission* permission = FindPermission(PathOf(*method));
    REQUIRE(permission != nullptr);
    if (permission->resources == kPublic || permission->resources == kNoResource) continue;
    const auto* input = method->input_type();
    CHECK((input->FindFieldByName("name") != nullptr ||
           input->FindFieldByName("parent") != nullptr ||
           input->FindFieldByName("commit") != nullptr));
  }
}

TEST_CASE("Roles include each other, administrators stand beside them", "[membership]") {
  for (const Permission& permission : AllPermissions()) {
    INFO(permission.method);
    const auto allows = [&](v1::Role role) { return (permission.roles & RoleBit(role)) != 0; };
    if (allows(v1::ROLE_CONTRIBUTOR)) CHECK(allows(v1::ROLE_MAINTAINER));
    if (allows(v1::ROLE_MAINTAINER)) CHECK(allows(v1::ROLE_OWNER));
    if (permission.resources == kRepositoryScope) CHECK_FALSE(allows(v1::ROLE_ADMINISTRATOR));
    CHECK_FALSE(allows(v1::ROLE_UNSPECIFIED));
    if (permission.resources == kPublic) CHECK(permission.roles == 0);
  }
}

TEST_CASE("Unknown methods have no row", "[membership]") {
  CHECK(FindPermission("") == nullptr);
  CHECK(FindPermission("/federity.v1.MembershipService/join") == nullptr);
  CHECK(FindPermission("/federity.v1.CommitService/ReadEverything") == nullptr);
}

TEST_CASE("A refusal names the least role that suffices", "[membership]") {
  Caller caller;
  caller.role = v1::ROLE_AUDITOR;
  caller.kind = v1::MEMBER_KIND_PERSON;
  const auto refused = [&](const char* method) {
    const absl::Status status =
        CheckRole(*FindPermission(method), caller, kRepositoryScope, /*self=*/false);
    CHECK(ReasonOf(status) == v1::ERROR_REASON_ROLE_REQUIRED);
    return MetadataOf(status)["required_role"];
  };
  CHECK(refused("/federity.v1.CommitService/DownloadCommit") == "viewer");
  CHECK(refused("/federity.v1.UploadService/CreateUpload") == "contributor");
  CHECK(refused("/federity.v1.PlanService/SetPlan") == "maintainer");
  CHECK(refused("/federity.v1.RepositoryService/DeleteRepository") == "owner");
}

TEST_CASE("Agents' methods refuse persons of any role", "[membership]") {
  const Permission& permission =
      *FindPermission("/federity.v1.ContributionService/SubmitContribution");
  Caller caller;
  caller.role = v1::ROLE_OWNER;
  caller.kind = v1::MEMBER_KIND_PERSON;
  const absl::Status status = CheckRole(permission, caller, kRepositoryScope, false);
  CHECK(ReasonOf(status) == v1::ERROR_REASON_ROLE_REQUIRED);
  CHECK(MetadataOf(status)["required_kind"] == "agent");
  caller.kind = v1::MEMBER_KIND_AGENT;
  CHECK(CheckRole(permission, caller, kRepositoryScope, false).ok());
}

TEST_CASE("A member may remove itself, whatever its role", "[membership]") {
  const Permission& remove = *FindPermission("/federity.v1.MembershipService/RemoveMember");
  Caller caller;
  caller.role = v1::ROLE_VIEWER;
  CHECK_FALSE(CheckRole(remove, caller, kRepositoryScope, /*self=*/false).ok());
  CHECK(CheckRole(remove, caller, kRepositoryScope, /*self=*/true).ok());
  const Permission& set = *FindPermission("/federity.v1.MembershipService/SetMemberRole");
  CHECK_FALSE(CheckRole(set, caller, kRepositoryScope, /*self=*/true).ok());
}

TEST_CASE("Administrators remove administrators only", "[membership]") {
  const Permission& remove = *FindPermission("/federity.v1.MembershipService/RemoveMember");
  Caller caller;
  caller.role = v1::ROLE_ADMINISTRATOR;
  CHECK(CheckRole(remove, caller, kServerScope, /*self=*/false).ok());
  for (const ResourceSet scope : {kOrganizationScope, kRepositoryScope}) {
    CHECK(ReasonOf(CheckRole(remove, caller, scope, /*self=*/false)) ==
          v1::ERROR_REASON_ROLE_REQUIRED);
  }
  caller.role = v1::ROLE_OWNER;
  CHECK(CheckRole(remove, caller, kOrganizationScope, /*self=*/false).ok());
}

TEST_CASE("Nobody invites above its own role", "[membership]") {
  using R = v1::Role;
  const std::set<std::pair<R, R>> allowed = {
      {v1::ROLE_ADMINISTRATOR, v1::ROLE_OWNER},    {v1::ROLE_OWNER, v1::ROLE_OWNER},
      {v1::ROLE_OWNER, v1::ROLE_MAINTAINER},       {v1::ROLE_OWNER, v1::ROLE_CONTRIBUTOR},
      {v1::ROLE_OWNER, v1::ROLE_VIEWER},           {v1::ROLE_OWNER, v1::ROLE_AUDITOR},
      {v1::ROLE_MAINTAINER, v1::ROLE_CONTRIBUTOR}, {v1::ROLE_MAINTAINER, v1::ROLE_VIEWER},
      {v1::ROLE_MAINTAINER, v1::ROLE_AUDITOR}};
  for (int inviter = v1::Role_MIN; inviter <= v1::Role_MAX; ++inviter) {
    for (int invited = v1::Role_MIN; invited <= v1::Role_MAX; ++invited) {
      INFO(inviter << " invites " << invited);
      CHECK(MayInvite(static_cast<R>(inviter), static_cast<R>(invited)) ==
            allowed.contains({static_cast<R>(inviter), static_cast<R>(invited)}));
    }
  }
}

}  // namespace
}  // namespace federity::membership
