#include "server/membership/invitations.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "common/base/errors.h"
#include "common/base/resource_name.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/secret.h"
#include "common/rpc/join_link.h"
#include "server/audit/audit_log.h"
#include "server/membership/callers.h"
#include "server/membership/conversions.h"
#include "server/membership/cursor.h"
#include "server/membership/members.h"
#include "server/membership/permissions.h"

namespace federity::membership {
namespace {

constexpr size_t kMaxDisplayName = 200;

// The columns that InvitationFromRow reads, in its order.
constexpr std::string_view kSelectInvitation =
    "SELECT i.id, coalesce(i.scope_organization, ''), coalesce(r.name, ''), i.role, i.kind, "
    "i.organization, o.display_name, i.created_at, i.expires_at, i.max_uses, i.uses, "
    "i.revoked_at IS NOT NULL, i.creator, coalesce(cm.scope_organization, ''), "
    "coalesce(cr.name, ''), i.replaces "
    "FROM invitations i JOIN organizations o ON o.id = i.organization "
    "LEFT JOIN repositories r ON r.id = i.scope_repository "
    "LEFT JOIN members cm ON cm.id = i.creator "
    "LEFT JOIN repositories cr ON cr.id = cm.scope_repository ";

std::string InvitationName(std::string_view organization, std::string_view repository,
                           std::string_view id) {
  return FormatResourceName({.organization = std::string(organization),
                             .repository = std::string(repository),
                             .collection = "invitations",
                             .id = std::string(id)});
}

v1::Invitation InvitationFromRow(const store::Row& row) {
  v1::Invitation invitation;
  invitation.set_name(InvitationName(row.Text(1), row.Text(2), row.Text(0)));
  invitation.set_role(static_cast<v1::Role>(row.Int(3)));
  invitation.set_kind(static_cast<v1::MemberKind>(row.Int(4)));
  invitation.set_organization(row.Text(5));
  invitation.set_organization_display_name(row.Text(6));
  SetTimestamp(row.Time(7), invitation.mutable_create_time());
  SetTimestamp(row.Time(8), invitation.mutable_expire_time());
  invitation.set_count(static_cast<int32_t>(row.Int(9)));
  invitation.set_used(static_cast<int32_t>(row.Int(10)));
  invitation.set_revoked(row.Bool(11));
  if (!row.IsNull(12)) {
    invitation.set_creator(MemberName(row.Text(13), row.Text(14), row.Text(12)));
  }
  // A replaced member is of the invitation's own scope.
  if (!row.IsNull(15)) {
    invitation.set_replaces(MemberName(row.Text(1), row.Text(2), row.Text(15)));
  }
  return invitation;
}

absl::StatusOr<std::optional<v1::Invitation>> ReadInvitation(store::Transaction& transaction,
                                                             const Scope& scope,
                                                             std::string_view id, bool lock) {
  store::Params params;
  params.Text(id);
  const std::string condition = ScopeCondition("i", scope, params);
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(StrCat(kSelectInvitation, "WHERE i.id = $1 AND ", condition,
                                       lock ? " FOR NO KEY UPDATE OF i" : ""),
                                params));
  if (!row.has_value()) return std::nullopt;
  return InvitationFromRow(*row);
}

// An organisation is found by the identifier of its name: "St. Luke" and
// "st luke" are one.
struct Organization {
  std::string id;
  std::string display_name;
};

absl::StatusOr<Organization> InvitedOrganization(const Scope& scope,
                                                 const std::string& display_name) {
  if (display_name.empty()) return Organization{scope.organization, scope.organization};
  constexpr std::string_view kField = "organization_display_name";
  std::string trimmed(absl::StripAsciiWhitespace(ToAbsl(display_name)));
  if (!IsPlainText(trimmed, kMaxDisplayName)) {
    return InvalidArgument(kField, "must be one line of at most 200 bytes");
  }
  const std::string id = IdentifierFromDisplayName(trimmed);
  if (!IsIdentifier(id)) {
    return InvalidArgument(kField, StrCat("\"", trimmed, "\" gives an identifier of ", id.size(),
                                          " characters [a-z0-9-]; 1 to 63 are needed, so choose ",
                                          id.empty() ? "another" : "a shorter", " name"));
  }
  return Organization{id, std::move(trimmed)};
}

absl::Status EnsureOrganization(store::Transaction& transaction, const Organization& organization,
                                bool namespace_too, absl::Time now) {
  return transaction
      .Execute(StrCat("INSERT INTO organizations (id, display_name, has_namespace, created_at) "
                      "VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO ",
                      namespace_too ? "UPDATE SET has_namespace = true" : "NOTHING"),
               store::Params()
                   .Text(organization.id)
                   .Text(organization.display_name)
                   .Bool(namespace_too)
                   .Time(now))
      .status();
}

struct NewInvitation {
  Scope scope;
  std::string organization;
  v1::Role role;
  v1::MemberKind kind;
  absl::Duration life;
  int64_t count = 1;
  std::optional<std::string> replaces;
  std::optional<std::string> creator;
};

absl::StatusOr<NewInvitation> Validate(const Caller& caller, const Scope& scope,
                                       const v1::CreateInvitationRequest& request) {
  // Authorisation first, even within the request.
  if (!MayInvite(caller.role, request.role())) {
    if (!MayInvite(v1::ROLE_OWNER, request.role())) {
      return InvalidArgument("role", "must be owner, maintainer, contributor, viewer or auditor");
    }
    return Error(v1::ERROR_REASON_ROLE_REQUIRED,
                 StrCat("A member with the role ", RoleName(caller.role), " can't give the role ",
                        RoleName(request.role()), "."),
                 {{"required_role", "owner"}});
  }
  if (scope.organization == kCoordinatorOrganization) {
    return InvalidArgument("parent", "the name \"coordinator\" is the server's own");
  }
  if (request.kind() != v1::MEMBER_KIND_PERSON && request.kind() != v1::MEMBER_KIND_AGENT) {
    return InvalidArgument("kind", "must be person or agent");
  }
  const int64_t max_life = absl::ToInt64Seconds(kMaxInvitationLife);
  if (request.lifetime_seconds() < 0 || request.lifetime_seconds() > max_life) {
    return InvalidArgument("lifetime_seconds", "must be at most 90 days");
  }
  if (request.count() < 0 || request.count() > kMaxInvitationUses) {
    return InvalidArgument("count", StrCat("must be 1 to ", kMaxInvitationUses));
  }
  if (caller.role == v1::ROLE_ADMINISTRATOR && request.count() > 1) {
    return InvalidArgument("count", "must be 1: the first owner invites further ones");
  }
  if (!request.replaces().empty() && request.count() > 1) {
    return InvalidArgument("count", "must be 1 where the member replaces another");
  }
  return NewInvitation{.scope = scope,
                       .role = request.role(),
                       .kind = request.kind(),
                       .life = request.lifetime_seconds() == 0
                                   ? kDefaultInvitationLife
                                   : absl::Seconds(request.lifetime_seconds()),
                       .count = std::max(request.count(), 1),
                       .creator = caller.member_id};
}

// An administrator makes the first owner of a namespace, never a second, who could
// be the administrator itself.
absl::Status CheckNoOwner(store::Transaction& transaction, const Scope& scope) {
  FEDERITY_ASSIGN_OR_RETURN(const bool has_owner, HasOwner(transaction, scope.organization));
  if (!has_owner) return absl::OkStatus();
  return Error(
      v1::ERROR_REASON_ROLE_REQUIRED,
      StrCat("The organisation ", scope.organization, " has an owner, who invites further ones."),
      {{"required_role", "owner"}});
}

// The member to be replaced: of this scope and organisation, and one whose role
// the caller could give.
absl::StatusOr<std::string> FindReplaced(store::Transaction& transaction, const Caller& caller,
                                         const Scope& scope, const std::string& organization,
                                         const std::string& name) {
  const absl::StatusOr<ResourceName> parsed = ParseResourceName(name);
  if (!parsed.ok()) return InvalidArgument("replaces", ToStd(parsed.status().message()));
  if (parsed->collection != "members" || parsed->organization != scope.organization ||
      parsed->repository != scope.repository || !IsUuid(parsed->id)) {
    return NotFound(name);
  }
  store::Params params;
  params.Text(parsed->id);
  const std::string condition = ScopeCondition("m", scope, params);
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(StrCat("SELECT m.organization, m.role FROM members m "
                                       "WHERE m.id = $1 AND m.removed_at IS NULL AND ",
                                       condition),
                                params));
  if (!row.has_value()) return NotFound(name);
  if (row->Text(0) != organization) {
    return InvalidArgument("replaces",
                           StrCat(name, " is a member of ", row->Text(0), ", not of ", organization,
                                  "; only the same organisation replaces it"));
  }
  const auto role = static_cast<v1::Role>(row->Int(1));
  if (!MayInvite(caller.role, role)) {
    return Error(v1::ERROR_REASON_ROLE_REQUIRED,
                 StrCat("You can't replace a member with the role ", RoleName(role), "."),
                 {{"required_role", "owner"}});
  }
  return parsed->id;
}

absl::Status CheckLimit(store::Transaction& transaction, const Scope& scope, absl::Time now) {
  store::Params params;
  params.Time(now);
  const std::string condition = ScopeCondition("i", scope, params);
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Row row,
      transaction.QueryOne(
          StrCat("SELECT count(*) FROM invitations i WHERE i.revoked_at IS NULL AND "
                 "i.expires_at > $1 AND i.uses < i.max_uses AND ",
                 condition),
          params));
  if (row.Int(0) < kMaxOpenInvitations) return absl::OkStatus();
  return Error(v1::ERROR_REASON_LIMIT_EXCEEDED,
               StrCat("There are ", row.Int(0), " open invitations here; revoke some first."),
               {{"limit", StrCat(kMaxOpenInvitations)}});
}

struct InsertedInvitation {
  std::string id;
  std::string link;
};
absl::StatusOr<InsertedInvitation> Insert(store::Transaction& transaction,
                                          const NewInvitation& invitation, const LinkTarget& target,
                                          absl::Time now) {
  const crypto::Secret secret = crypto::RandomSecret(rpc::kJoinSecretSize);
  InsertedInvitation inserted{.id = crypto::RandomUuid()};
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("INSERT INTO invitations (id, scope_organization, scope_repository, "
                   "organization, role, kind, secret_digest, max_uses, replaces, creator, "
                   "created_at, expires_at) "
                   "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                   store::Params()
                       .Text(inserted.id)
                       .OptionalText(invitation.scope.organization_or_null())
                       .OptionalText(invitation.scope.repository_or_null())
                       .Text(invitation.organization)
                       .Int(invitation.role)
                       .Int(invitation.kind)
                       .Bytes(crypto::Sha256(secret.view()).view())
                       .Int(invitation.count)
                       .OptionalText(invitation.replaces)
                       .OptionalText(invitation.creator)
                       .Time(now)
                       .Time(now + invitation.life))
          .status());
  inserted.link = rpc::FormatJoinLink({.address = target.address,
                                       .kind = invitation.kind,
                                       .ca_fingerprint = target.ca_fingerprint,
                                       .secret = std::string(secret.view())});
  return inserted;
}

}  // namespace

absl::StatusOr<v1::CreateInvitationResponse> CreateInvitation(
    store::Transaction& transaction, const Caller& caller, const Scope& scope,
    const v1::CreateInvitationRequest& request, const LinkTarget& target, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(NewInvitation invitation, Validate(caller, scope, request));
  FEDERITY_ASSIGN_OR_RETURN(const Organization organization,
                            InvitedOrganization(scope, request.organization_display_name()));
  if (organization.id == kCoordinatorOrganization) {
    return InvalidArgument("organization_display_name",
                           "the name \"coordinator\" is the server's own");
  }
  const bool by_administrator = caller.role == v1::ROLE_ADMINISTRATOR;
  if (by_administrator) FEDERITY_RETURN_IF_ERROR(CheckNoOwner(transaction, scope));
  invitation.organization = organization.id;
  if (!request.replaces().empty()) {
    FEDERITY_ASSIGN_OR_RETURN(
        invitation.replaces,
        FindReplaced(transaction, caller, scope, organization.id, request.replaces()));
  }
  FEDERITY_RETURN_IF_ERROR(CheckLimit(transaction, scope, now));
  FEDERITY_RETURN_IF_ERROR(EnsureOrganization(
      transaction, organization, by_administrator && organization.id == scope.organization, now));
  if (by_administrator && organization.id != scope.organization) {
    FEDERITY_RETURN_IF_ERROR(EnsureOrganization(
        transaction, {scope.organization, scope.organization}, /*namespace_too=*/true, now));
  }
  FEDERITY_ASSIGN_OR_RETURN(const InsertedInvitation inserted,
                            Insert(transaction, invitation, target, now));
  FEDERITY_ASSIGN_OR_RETURN(std::optional<v1::Invitation> made,
                            ReadInvitation(transaction, scope, inserted.id, /*lock=*/false));
  if (!made.has_value()) return absl::InternalError("a new invitation is missing");
  v1::CreateInvitationResponse response;
  *response.mutable_invitation() = *std::move(made);
  response.set_link(inserted.link);
  return response;
}

absl::StatusOr<std::string> CreateAdministratorLink(store::Transaction& transaction,
                                                    const LinkTarget& target, absl::Time now,
                                                    absl::Duration life) {
  const std::string organization(kCoordinatorOrganization);
  FEDERITY_RETURN_IF_ERROR(EnsureOrganization(transaction, {organization, "Coordinator"},
                                              /*namespace_too=*/false, now));
  FEDERITY_ASSIGN_OR_RETURN(const InsertedInvitation inserted,
                            Insert(transaction,
                                   {.organization = organization,
                                    .role = v1::ROLE_ADMINISTRATOR,
                                    .kind = v1::MEMBER_KIND_PERSON,
                                    .life = life},
                                   target, now));
  return inserted.link;
}

absl::StatusOr<std::string> CreateOwnerLink(store::Transaction& transaction,
                                            const std::string& organization,
                                            const LinkTarget& target, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional("SELECT 1 FROM organizations WHERE id = $1 AND has_namespace",
                                store::Params().Text(organization)));
  if (!row.has_value()) return NotFound(StrCat("the organisation ", organization));
  FEDERITY_ASSIGN_OR_RETURN(const InsertedInvitation inserted,
                            Insert(transaction,
                                   {.scope = {.organization = organization},
                                    .organization = organization,
                                    .role = v1::ROLE_OWNER,
                                    .kind = v1::MEMBER_KIND_PERSON,
                                    .life = kDefaultInvitationLife},
                                   target, now));
  FEDERITY_RETURN_IF_ERROR(
      audit::Append(transaction, {.time = now,
                                  .actor = std::string(audit::kCoordinator),
                                  .scope_organization = organization,
                                  .action = "CreateInvitation",
                                  .resource = InvitationName(organization, "", inserted.id),
                                  .details = {{"organization", organization},
                                              {"role", std::string(RoleName(v1::ROLE_OWNER))},
                                              {"by", "federity-server link"}}}));
  return inserted.link;
}

absl::StatusOr<InvitationPage> ListInvitations(store::Transaction& transaction, const Scope& scope,
                                               int limit, std::string_view cursor) {
  store::Params params;
  params.Int(limit + 1);
  std::string where = ScopeCondition("i", scope, params);
  if (!cursor.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(const TimeCursor position, ParseCursor(cursor));
    params.Time(position.created_at).Text(position.id);
    const size_t n = params.values().size();
    where += StrCat(" AND (i.created_at, i.id) < ($", n - 1, ", $", n, ")");
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute(StrCat(kSelectInvitation, "WHERE ", where,
                                 " ORDER BY i.created_at DESC, i.id DESC LIMIT $1"),
                          params));
  InvitationPage page;
  for (size_t i = 0; i < rows.size() && i < static_cast<size_t>(limit); ++i) {
    page.invitations.push_back(InvitationFromRow(rows[i]));
  }
  if (rows.size() > static_cast<size_t>(limit)) {
    const store::Row& last = rows[static_cast<size_t>(limit) - 1];
    page.next_cursor = FormatCursor({last.Time(7), last.Text(0)});
  }
  return page;
}

absl::StatusOr<v1::Invitation> RevokeInvitation(store::Transaction& transaction,
                                                const Caller& caller, const Scope& scope,
                                                std::string_view invitation_id, absl::Time now) {
  const absl::Status missing =
      NotFound(InvitationName(scope.organization, scope.repository, invitation_id));
  if (!IsUuid(invitation_id)) return missing;
  FEDERITY_ASSIGN_OR_RETURN(std::optional<v1::Invitation> invitation,
                            ReadInvitation(transaction, scope, invitation_id, /*lock=*/true));
  if (!invitation.has_value()) return missing;
  // Only an administrator comes to those of the server.
  if (!scope.organization.empty() && !MayInvite(caller.role, invitation->role())) {
    return Error(
        v1::ERROR_REASON_ROLE_REQUIRED,
        StrCat("A member with the role ", RoleName(caller.role),
               " can't revoke an invitation of the role ", RoleName(invitation->role()), "."),
        {{"required_role", "owner"}});
  }
  if (invitation->revoked()) return *std::move(invitation);
  if (invitation->used() >= invitation->count()) {
    return Error(v1::ERROR_REASON_INVITATION_USED,
                 "The invitation is used up; remove the member instead.");
  }
  FEDERITY_RETURN_IF_ERROR(transaction
                               .Execute("UPDATE invitations SET revoked_at = $2 WHERE id = $1",
                                        store::Params().Text(invitation_id).Time(now))
                               .status());
  invitation->set_revoked(true);
  return *std::move(invitation);
}

absl::Status RevokeInvitationsBeyond(store::Transaction& transaction, std::string_view member_id,
                                     v1::Role new_role, absl::Time now) {
  std::string kept = "0";
  for (int role = v1::Role_MIN; role <= v1::Role_MAX; ++role) {
    if (MayInvite(new_role, static_cast<v1::Role>(role))) kept += StrCat(", ", role);
  }
  return transaction
      .Execute(StrCat("UPDATE invitations SET revoked_at = $2 WHERE creator = $1 AND "
                      "revoked_at IS NULL AND uses < max_uses AND role NOT IN (",
                      kept, ")"),
               store::Params().Text(member_id).Time(now))
      .status();
}

}  // namespace federity::membership
