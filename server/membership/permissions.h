#ifndef FEDERITY_SERVER_MEMBERSHIP_PERMISSIONS_H_
#define FEDERITY_SERVER_MEMBERSHIP_PERMISSIONS_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/membership/caller.h"

namespace federity::membership {

// Who may call what: one table for every method of the API. What the table
// lacks is denied. A resource outside the caller's scope does not exist for it,
// so scope comes before role; both come before validation (api/access.h).

// A set of v1::Role.
using RoleSet = uint32_t;
constexpr RoleSet RoleBit(v1::Role role) {
  // A peer's enum can hold any number.
  return role >= v1::Role_MIN && role <= v1::Role_MAX ? 1u << role : 0;
}

// What a method's resource (its request's `name`, `parent` or `commit`) may be.
using ResourceSet = uint32_t;
inline constexpr ResourceSet kPublic = 0;             // no certificate, no resource
inline constexpr ResourceSet kNoResource = 1;         // about the caller or the server as a whole
inline constexpr ResourceSet kServerScope = 2;        // `server`, `members/{m}`
inline constexpr ResourceSet kOrganizationScope = 4;  // `organizations/{o}` or under it
inline constexpr ResourceSet kRepositoryScope = 8;    // a repository or under it

struct Permission {
  std::string_view method;  // "/federity.v1.RoundService/StartRound"
  RoleSet roles = 0;
  ResourceSet resources = kPublic;
  // Of `resources`, those on which administrators may, where `roles` has them.
  ResourceSet administrators_on = ~ResourceSet{0};
  bool mutation = false;     // needs a request_id, is idempotent and audited
  bool reads_model = false;  // audited
  bool agents_only = false;
  bool self = false;  // also any role, where the resource is the calling member
};

absl::Span<const Permission> AllPermissions();

// Null for a method that the table lacks.
const Permission* FindPermission(std::string_view method);

// Whether role and kind of a caller, inside whose scope the resource (one of
// ResourceSet) lies, allow the method. PERMISSION_DENIED ROLE_REQUIRED with
// "required_role" (the least that suffices) or "required_kind".
absl::Status CheckRole(const Permission& permission, const Caller& caller, ResourceSet resource,
                       bool self);

// Whether a member with role `inviter` may give `invited`, or take it away:
// owners any role but administrator; maintainers contributor, viewer and
// auditor; administrators owner, where there is none yet (invitations.h).
bool MayInvite(v1::Role inviter, v1::Role invited);

}  // namespace federity::membership

#endif  // FEDERITY_SERVER_MEMBERSHIP_PERMISSIONS_H_
