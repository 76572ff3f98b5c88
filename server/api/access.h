#ifndef FEDERITY_SERVER_API_ACCESS_H_
#define FEDERITY_SERVER_API_ACCESS_H_

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/api/dispatcher.h"
#include "server/membership/permissions.h"
#include "server/store/database.h"

namespace federity::api {

// The checks of every call, in their order: certificate, method, name, member,
// scope, role, kind. Whatever lies outside the caller's scope gives the same
// NOT_FOUND as what does not exist. Free functions, thread-safe.

// The member that the peer's certificate names. UNAUTHENTICATED
// CERTIFICATE_REQUIRED if there is none or it names no member.
absl::StatusOr<std::string> PeerMemberId(const grpc::AuthContext& context);

// METHOD_DENIED for what the table lacks and for public methods.
absl::StatusOr<const membership::Permission*> PermissionFor(std::string_view method);

// The field that names a request's resource: `name`, else `parent`, else
// `commit`. The value is empty where there is no such field or it is not set.
struct ResourceField {
  std::string field;
  std::string value;
};
ResourceField FindResource(const google::protobuf::Message& request);

// A string field by name; empty where the message has none.
std::string StringField(const google::protobuf::Message& message, const std::string& name);

// Loads the member and decides. `lock` as in membership::LoadCaller. On an error
// `result` holds what was known by then, for the audit row of the refusal.
absl::Status AuthoriseMember(store::Transaction& transaction,
                             const membership::Permission& permission, std::string_view member_id,
                             const ResourceField& resource, bool lock, Authorised& result);

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_ACCESS_H_
