#ifndef FEDERITY_SERVER_MEMBERSHIP_INVITATIONS_H_
#define FEDERITY_SERVER_MEMBERSHIP_INVITATIONS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/digest.h"
#include "federity/v1/membership.pb.h"
#include "server/membership/caller.h"
#include "server/membership/scope.h"
#include "server/store/database.h"

namespace federity::membership {

// Invitations: who may join what, until when, how often. The secret is in the
// link alone, its digest in the row. Free functions; as thread-safe as their
// transaction.

inline constexpr int kMaxOpenInvitations = 10000;  // in one scope
inline constexpr int kMaxInvitationUses = 1000;
inline constexpr absl::Duration kDefaultInvitationLife = absl::Hours(24 * 7);
inline constexpr absl::Duration kMaxInvitationLife = absl::Hours(24 * 90);

// The organisation of administrators; no other may have this identifier.
inline constexpr std::string_view kCoordinatorOrganization = "coordinator";

// What a link says besides its secret.
struct LinkTarget {
  std::string address;  // "host:port" as clients reach it
  crypto::Digest ca_fingerprint;
};

// Makes an invitation and, where they are missing, its organisations; an
// administrator's gives the scope's organisation its namespace and first owner.
// ROLE_REQUIRED for a role that the caller may not give, and for administrators
// once the organisation has an owner: they run the server and read no model.
// INVALID_ARGUMENT, NOT_FOUND (replaces), LIMIT_EXCEEDED.
absl::StatusOr<v1::CreateInvitationResponse> CreateInvitation(
    store::Transaction& transaction, const Caller& caller, const Scope& scope,
    const v1::CreateInvitationRequest& request, const LinkTarget& target, absl::Time now);

// The link of a new invitation for one administrator, made by the server itself.
absl::StatusOr<std::string> CreateAdministratorLink(store::Transaction& transaction,
                                                    const LinkTarget& target, absl::Time now,
                                                    absl::Duration life = kDefaultInvitationLife);

// The link of a new invitation for one owner of a namespace that exists, made by
// the server itself, also where there is an owner: for one whose owners lost their
// keys. Audited in the organisation's scope. NOT_FOUND.
absl::StatusOr<std::string> CreateOwnerLink(store::Transaction& transaction,
                                            const std::string& organization,
                                            const LinkTarget& target, absl::Time now);

struct InvitationPage {
  std::vector<v1::Invitation> invitations;
  std::string next_cursor;  // empty: the last page
};
// Newest first, from after `cursor` on.
absl::StatusOr<InvitationPage> ListInvitations(store::Transaction& transaction, const Scope& scope,
                                               int limit, std::string_view cursor);

// NOT_FOUND, ROLE_REQUIRED for one that the caller could not have made (those of the
// server, for administrators, made by itself, any administrator revokes),
// INVITATION_USED if nothing is left to revoke. Revoking again changes nothing.
absl::StatusOr<v1::Invitation> RevokeInvitation(store::Transaction& transaction,
                                                const Caller& caller, const Scope& scope,
                                                std::string_view invitation_id, absl::Time now);

// Revokes the open invitations that the member made and its new role could not
// make (ROLE_UNSPECIFIED: all). Who loses a role must not keep it in links.
absl::Status RevokeInvitationsBeyond(store::Transaction& transaction, std::string_view member_id,
                                     v1::Role new_role, absl::Time now);

}  // namespace federity::membership

#endif  // FEDERITY_SERVER_MEMBERSHIP_INVITATIONS_H_
