#include "server/api/access.h"

#include <grpc/grpc_security_constants.h>

#include <optional>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/membership/callers.h"

namespace federity::api {
namespace {

using membership::Caller;
using membership::Permission;

constexpr std::string_view kServer = "server";

// What kind of scope a name lies in.
membership::ResourceSet KindOf(const ResourceName& resource) {
  if (!resource.repository.empty()) return membership::kRepositoryScope;
  if (!resource.organization.empty()) return membership::kOrganizationScope;
  return membership::kServerScope;
}

// Parses the name and checks that the method takes such a one. This looks at
// the request alone, so it tells nobody anything.
absl::StatusOr<ResourceName> ParseFor(const Permission& permission, const ResourceField& resource) {
  if (permission.resources == membership::kNoResource) return ResourceName{};
  ResourceName name;
  if (resource.value != kServer) {
    absl::StatusOr<ResourceName> parsed = ParseResourceName(resource.value);
    if (!parsed.ok()) return InvalidArgument(resource.field, ToStd(parsed.status().message()));
    name = *std::move(parsed);
  }
  if ((permission.resources & KindOf(name)) == 0) {
    return InvalidArgument(resource.field,
                           StrCat("\"", resource.value, "\" is not a resource of this method"));
  }
  return name;
}

// The repository that the name lies in, if it lives and the caller's scope
// includes it.
absl::StatusOr<std::optional<RepositoryRef>> FindRepository(store::Transaction& transaction,
                                                            const Caller& caller,
                                                            const ResourceName& resource) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(
          "SELECT id FROM repositories WHERE organization = $1 AND name = $2 "
          "AND deleted_at IS NULL",
          store::Params().Text(resource.organization).Text(resource.repository)));
  if (!row.has_value()) return std::nullopt;
  RepositoryRef repository{.id = row->Text(0),
                           .name = resource.repository_name(),
                           .organization = resource.organization};
  const bool in_scope = caller.scope_repository_id.empty()
                            ? caller.scope_organization == resource.organization
                            : caller.scope_repository_id == repository.id;
  if (!in_scope) return std::nullopt;
  return repository;
}

bool OrganizationInScope(const Caller& caller, const ResourceName& resource) {
  if (caller.role == v1::ROLE_ADMINISTRATOR) return true;
  return caller.scope_repository_id.empty() && caller.scope_organization == resource.organization;
}

}  // namespace

absl::StatusOr<std::string> PeerMemberId(const grpc::AuthContext& context) {
  // gRPC sets this only from a certificate that it has verified against our CA.
  // It mixes URIs with DNS names, but no server's name looks like a member's.
  for (const grpc::string_ref& uri : context.FindPropertyValues(GRPC_X509_SAN_PROPERTY_NAME)) {
    std::optional<std::string> id = membership::MemberIdFromUri({uri.data(), uri.size()});
    if (id.has_value()) return *std::move(id);
  }
  return Error(v1::ERROR_REASON_CERTIFICATE_REQUIRED,
               "This call needs the client certificate of a member; join with an invitation link "
               "first.");
}

absl::StatusOr<const Permission*> PermissionFor(std::string_view method) {
  const Permission* permission = membership::FindPermission(method);
  if (permission == nullptr || permission->resources == membership::kPublic) {
    return Error(v1::ERROR_REASON_METHOD_DENIED,
                 StrCat("The method ", method, " is not permitted to anybody."));
  }
  return permission;
}

std::string StringField(const google::protobuf::Message& message, const std::string& name) {
  const google::protobuf::FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  if (field == nullptr || field->is_repeated() ||
      field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_STRING) {
    return "";
  }
  return message.GetReflection()->GetString(message, field);
}

ResourceField FindResource(const google::protobuf::Message& request) {
  for (const char* field : {"name", "parent", "commit"}) {
    if (request.GetDescriptor()->FindFieldByName(field) != nullptr) {
      return {field, StringField(request, field)};
    }
  }
  return {};
}

absl::Status AuthoriseMember(store::Transaction& transaction, const Permission& permission,
                             std::string_view member_id, const ResourceField& resource, bool lock,
                             Authorised& result) {
  result = {};
  FEDERITY_ASSIGN_OR_RETURN(result.caller, membership::LoadCaller(transaction, member_id, lock));
  FEDERITY_ASSIGN_OR_RETURN(result.resource, ParseFor(permission, resource));
  const Caller& caller = result.caller;
  if (permission.resources != membership::kNoResource) {
    bool in_scope = false;
    switch (KindOf(result.resource)) {
      case membership::kRepositoryScope: {
        FEDERITY_ASSIGN_OR_RETURN(std::optional<RepositoryRef> repository,
                                  FindRepository(transaction, caller, result.resource));
        in_scope = repository.has_value();
        if (in_scope) result.repository = *std::move(repository);
        break;
      }
      case membership::kOrganizationScope:
        in_scope = OrganizationInScope(caller, result.resource);
        break;
      default:
        in_scope = caller.role == v1::ROLE_ADMINISTRATOR;
    }
    if (!in_scope) return NotFound(resource.value);
  }
  const bool self =
      result.resource.collection == "members" && result.resource.id == caller.member_id;
  return membership::CheckRole(permission, caller, KindOf(result.resource), self);
}

}  // namespace federity::api
