#include "server/membership/joining.h"

#include <optional>

#include "common/base/encoding.h"
#include "common/base/errors.h"
#include "common/base/resource_name.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/aead.h"
#include "common/crypto/digest.h"
#include "common/crypto/ed25519.h"
#include "common/rpc/join_link.h"
#include "server/audit/audit_log.h"
#include "server/membership/callers.h"
#include "server/membership/conversions.h"
#include "server/membership/members.h"
#include "server/membership/permissions.h"
#include "server/membership/scope.h"

namespace federity::membership {
namespace {

constexpr std::string_view kJoinLabel = "federity/join/v1";
constexpr std::string_view kRenewLabel = "federity/renew/v1";
constexpr std::string_view kNonceLabel = "federity/renewal-nonce/v1\n";
constexpr size_t kMaxVersion = 64;
constexpr size_t kMaxCertificateRequest = 4096;

struct InvitationRow {
  std::string id;
  Scope scope;
  std::string organization;
  v1::Role role;
  v1::MemberKind kind;
  int64_t uses_left;
  std::optional<std::string> replaces;
  absl::Time expires_at;
  bool revoked;           // or its repository is deleted
  v1::Role creator_role;  // now; UNSPECIFIED: the server made it, or it is no member any more
};

// By the secret's digest, locked: redeeming is atomic.
absl::StatusOr<InvitationRow> LockInvitation(store::Transaction& transaction,
                                             std::string_view secret) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(
          "SELECT i.id, coalesce(i.scope_organization, ''), coalesce(i.scope_repository::text, ''),"
          " coalesce(r.name, ''), i.organization, i.role, i.kind, i.max_uses - i.uses, i.replaces, "
          "i.expires_at, i.revoked_at IS NOT NULL OR r.deleted_at IS NOT NULL, "
          "coalesce(c.role, 0) "
          "FROM invitations i LEFT JOIN repositories r ON r.id = i.scope_repository "
          "LEFT JOIN members c ON c.id = i.creator AND c.removed_at IS NULL "
          "WHERE i.secret_digest = $1 FOR NO KEY UPDATE OF i",
          store::Params().Bytes(crypto::Sha256(secret).view())));
  if (!row.has_value()) {
    return Error(v1::ERROR_REASON_INVITATION_INVALID,
                 "No invitation has this link; check that it was copied whole.");
  }
  return InvitationRow{.id = row->Text(0),
                       .scope = {row->Text(1), row->Text(2), row->Text(3)},
                       .organization = row->Text(4),
                       .role = static_cast<v1::Role>(row->Int(5)),
                       .kind = static_cast<v1::MemberKind>(row->Int(6)),
                       .uses_left = row->Int(7),
                       .replaces = row->OptionalText(8),
                       .expires_at = row->Time(9),
                       .revoked = row->Bool(10),
                       .creator_role = static_cast<v1::Role>(row->Int(11))};
}

// What both requests carry.
template <typename Request>
absl::Status ValidateProgram(const Request& request) {
  if (request.certificate_request().size() > kMaxCertificateRequest) {
    return InvalidArgument("certificate_request", "must be at most 4096 bytes");
  }
  if (!IsPlainText(request.version(), kMaxVersion)) {
    return InvalidArgument("version", "must be at most 64 printable characters");
  }
  return absl::OkStatus();
}

absl::Status ValidateJoin(const v1::JoinRequest& request) {
  if (request.secret().size() != rpc::kJoinSecretSize) {
    return Error(v1::ERROR_REASON_INVITATION_INVALID,
                 "No invitation has this link; check that it was copied whole.");
  }
  if (request.contribution_key().size() != crypto::kEd25519KeySize) {
    return InvalidArgument("contribution_key", "must be 32 bytes");
  }
  FEDERITY_RETURN_IF_ERROR(ValidateProgram(request));
  const std::string message = StrCat(crypto::Sha256(request.secret()).view(),
                                     crypto::Sha256(request.certificate_request()).view());
  if (!crypto::VerifySignature(request.contribution_key(), kJoinLabel, message,
                               request.signature())) {
    return Error(v1::ERROR_REASON_SIGNATURE_INVALID,
                 "The contribution key did not sign this request.");
  }
  return absl::OkStatus();
}

// Distinct reasons, for the holder of the right secret alone.
absl::Status CheckOpen(const InvitationRow& invitation, absl::Time now) {
  if (invitation.revoked) {
    return Error(v1::ERROR_REASON_INVITATION_REVOKED,
                 "The invitation was revoked; ask for a new one.");
  }
  if (now >= invitation.expires_at) {
    return Error(
        v1::ERROR_REASON_INVITATION_EXPIRED,
        StrCat("The invitation expired on ",
               absl::FormatTime("%Y-%m-%d %H:%M UTC", invitation.expires_at, absl::UTCTimeZone()),
               "; ask for a new one."));
  }
  if (invitation.uses_left <= 0) {
    return Error(v1::ERROR_REASON_INVITATION_USED,
                 "The invitation was used up; ask for a new one.");
  }
  return absl::OkStatus();
}

// An administrator's link makes the first owner and no second, so that it opens no
// model to who made it, however late it is used.
absl::Status CheckFirstOwner(store::Transaction& transaction, const InvitationRow& invitation) {
  if (invitation.creator_role != v1::ROLE_ADMINISTRATOR) return absl::OkStatus();
  FEDERITY_ASSIGN_OR_RETURN(const bool has_owner,
                            HasOwner(transaction, invitation.scope.organization));
  if (!has_owner) return absl::OkStatus();
  return Error(v1::ERROR_REASON_INVITATION_REVOKED,
               StrCat("The invitation was for the first owner of ", invitation.scope.organization,
                      ", which has one by now; ask an owner for a new link."));
}

// The member that holds this key, if it joined by this invitation just now and
// only wants its answer again. ALREADY_EXISTS if it holds it otherwise.
absl::StatusOr<std::optional<std::string>> FindRepeated(store::Transaction& transaction,
                                                        const InvitationRow& invitation,
                                                        const std::string& key, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional("SELECT id, coalesce(invitation::text, ''), created_at, "
                                "removed_at IS NOT NULL FROM members WHERE contribution_key = $1",
                                store::Params().Bytes(key)));
  if (!row.has_value()) return std::nullopt;
  if (row->Text(1) != invitation.id || now - row->Time(2) > Joining::kRepeatable) {
    return Error(v1::ERROR_REASON_ALREADY_EXISTS,
                 "This contribution key belongs to a member already; each membership has a key "
                 "of its own.");
  }
  if (row->Bool(3)) {
    return Error(v1::ERROR_REASON_MEMBER_REMOVED, "This member was removed.");
  }
  return row->Text(0);
}

absl::StatusOr<std::string> InsertMember(store::Transaction& transaction,
                                         const InvitationRow& invitation,
                                         const v1::JoinRequest& request, absl::Time now) {
  std::string id = crypto::RandomUuid();
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("INSERT INTO members (id, scope_organization, scope_repository, organization, "
                   "role, kind, contribution_key, invitation, created_at, last_seen_at, version) "
                   "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)",
                   store::Params()
                       .Text(id)
                       .OptionalText(invitation.scope.organization_or_null())
                       .OptionalText(invitation.scope.repository_or_null())
                       .Text(invitation.organization)
                       .Int(invitation.role)
                       .Int(invitation.kind)
                       .Bytes(request.contribution_key())
                       .Text(invitation.id)
                       .Time(now)
                       .Text(request.version()))
          .status());
  FEDERITY_RETURN_IF_ERROR(transaction
                               .Execute("UPDATE invitations SET uses = uses + 1 WHERE id = $1",
                                        store::Params().Text(invitation.id))
                               .status());
  return id;
}

// One that is gone by now needs no removal. Roles may have changed since the
// invitation was made: whoever made it must still be able to take away the role that
// the replaced member has now.
absl::Status RemoveReplaced(store::Transaction& transaction, const InvitationRow& invitation,
                            absl::Time now) {
  if (!invitation.replaces.has_value()) return absl::OkStatus();
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional("SELECT role FROM members WHERE id = $1 AND removed_at IS NULL "
                                "FOR NO KEY UPDATE",
                                store::Params().Text(*invitation.replaces)));
  if (!row.has_value()) return absl::OkStatus();
  const auto role = static_cast<v1::Role>(row->Int(0));
  if (!MayInvite(invitation.creator_role, role)) {
    return Error(v1::ERROR_REASON_INVITATION_REVOKED,
                 StrCat("The invitation replaces a member that has the role ", RoleName(role),
                        " now, which its maker may not take away; ask an owner for a new link."));
  }
  return RemoveMember(transaction, invitation.scope, *invitation.replaces, Leaving::kRemoved, now);
}

absl::Status AuditJoin(store::Transaction& transaction, const InvitationRow& invitation,
                       const v1::Member& member, absl::Time now) {
  audit::Event event{.time = now,
                     .actor = member.name(),
                     .scope_organization = invitation.scope.organization,
                     .scope_repository = invitation.scope.repository_id,
                     .action = "Join",
                     .resource = member.name(),
                     .details = {{"invitation", invitation.id},
                                 {"organization", member.organization()},
                                 {"role", std::string(RoleName(member.role()))},
                                 {"kind", std::string(KindName(member.kind()))}}};
  if (invitation.replaces.has_value()) event.details["replaces"] = *invitation.replaces;
  return audit::Append(transaction, event);
}

}  // namespace

absl::StatusOr<v1::JoinResponse> Joining::Join(store::Transaction& transaction,
                                               const v1::JoinRequest& request,
                                               absl::Time now) const {
  FEDERITY_RETURN_IF_ERROR(ValidateJoin(request));
  FEDERITY_ASSIGN_OR_RETURN(const InvitationRow invitation,
                            LockInvitation(transaction, request.secret()));
  if (request.kind() != invitation.kind) {
    const bool agent = invitation.kind == v1::MEMBER_KIND_AGENT;
    return Error(v1::ERROR_REASON_INVITATION_KIND_MISMATCH,
                 StrCat("This invitation is for ", agent ? "an agent" : "a person", "; use `",
                        agent ? "federity-agent join" : "federity join", "`. It was not redeemed."),
                 {{"kind", std::string(KindName(invitation.kind))}});
  }
  FEDERITY_ASSIGN_OR_RETURN(const std::optional<std::string> repeated,
                            FindRepeated(transaction, invitation, request.contribution_key(), now));
  std::string member_id;
  if (repeated.has_value()) {
    member_id = *repeated;
  } else {
    FEDERITY_RETURN_IF_ERROR(CheckOpen(invitation, now));
    FEDERITY_RETURN_IF_ERROR(CheckFirstOwner(transaction, invitation));
    FEDERITY_ASSIGN_OR_RETURN(member_id, InsertMember(transaction, invitation, request, now));
    FEDERITY_RETURN_IF_ERROR(RemoveReplaced(transaction, invitation, now));
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const CertificateAuthority::MemberCertificate certificate,
      authority_.IssueMember(member_id, invitation.kind, request.certificate_request(), now));
  v1::JoinResponse response;
  FEDERITY_ASSIGN_OR_RETURN(*response.mutable_member(),
                            ReadMember(transaction, member_id, Detail::kAll, now));
  response.set_certificate_chain(certificate.chain_pem);
  SetTimestamp(certificate.renew_time, response.mutable_renew_time());
  response.set_coordinator_key(authority_.signing_public_key());
  if (!repeated.has_value()) {
    FEDERITY_RETURN_IF_ERROR(AuditJoin(transaction, invitation, response.member(), now));
    if (!invitation.scope.repository_id.empty()) {
      FEDERITY_RETURN_IF_ERROR(
          transaction.Notify(StrCat("repository:", invitation.scope.repository_id)));
    }
  }
  return response;
}

bool Joining::IsAudited(ErrorReason refusal) {
  return refusal == v1::ERROR_REASON_INVITATION_INVALID ||
         refusal == v1::ERROR_REASON_INVITATION_EXPIRED ||
         refusal == v1::ERROR_REASON_INVITATION_USED ||
         refusal == v1::ERROR_REASON_INVITATION_REVOKED ||
         refusal == v1::ERROR_REASON_INVITATION_KIND_MISMATCH;
}

absl::Status Joining::AuditRefused(store::Transaction& transaction, const v1::JoinRequest& request,
                                   ErrorReason refusal, int64_t attempts, absl::Time now) {
  audit::Event event{.time = now,
                     .actor = std::string(audit::kOutsider),
                     .action = "Join",
                     .resource = "server",
                     .outcome = std::string(ReasonName(refusal)),
                     .details = {{"attempts", StrCat(attempts)}}};
  const absl::StatusOr<InvitationRow> invitation = LockInvitation(transaction, request.secret());
  if (invitation.ok()) {
    event.scope_organization = invitation->scope.organization;
    event.scope_repository = invitation->scope.repository_id;
    event.resource = FormatResourceName({.organization = invitation->scope.organization,
                                         .repository = invitation->scope.repository,
                                         .collection = "invitations",
                                         .id = invitation->id});
    event.details["organization"] = invitation->organization;
  } else if (ReasonOf(invitation.status()) != v1::ERROR_REASON_INVITATION_INVALID) {
    return invitation.status();
  }
  return audit::Append(transaction, event);
}

// The seal gives exactly the 32 bytes of the API: 12 of nonce, 4 of expiry, 16 of
// tag. Its name is authenticated, so that a nonce serves one member.
std::string Joining::MakeNonce(std::string_view member_name, absl::Time now) const {
  const auto expiry = static_cast<uint32_t>(absl::ToUnixSeconds(now + kNonceLife));
  const std::string bytes = BigEndian64(expiry).substr(4);
  return crypto::WrapSecret(nonce_key_, StrCat(kNonceLabel, member_name), crypto::Secret(bytes));
}

namespace {

absl::Status NonceInvalid() {
  return Error(v1::ERROR_REASON_NONCE_INVALID,
               "The nonce is unknown, used or too old; ask for a new one.");
}

absl::StatusOr<absl::Time> OpenNonce(const crypto::Secret& key,
                                     const v1::RenewCertificateRequest& request, absl::Time now) {
  const absl::StatusOr<crypto::Secret> opened =
      crypto::UnwrapSecret(key, StrCat(kNonceLabel, request.name()), request.nonce());
  if (!opened.ok() || opened->size() != 4) return NonceInvalid();
  uint32_t seconds = 0;
  for (const char c : opened->view()) seconds = seconds << 8 | static_cast<unsigned char>(c);
  const absl::Time expiry = absl::FromUnixSeconds(seconds);
  if (now >= expiry) return NonceInvalid();
  return expiry;
}

struct RenewingMember {
  std::string id;
  v1::MemberKind kind;
  std::string scope_organization;
  std::string scope_repository;
};

// The member whose key signed the request. Whoever can't sign learns nothing,
// not even whether there is such a member.
absl::StatusOr<RenewingMember> CheckRenewal(store::Transaction& transaction,
                                            const v1::RenewCertificateRequest& request) {
  const absl::Status wrong_signature =
      Error(v1::ERROR_REASON_SIGNATURE_INVALID,
            "The member's contribution key did not sign this request.");
  const absl::StatusOr<ResourceName> name = ParseResourceName(request.name());
  if (!name.ok() || name->collection != "members" || !IsUuid(name->id)) return wrong_signature;
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(
          "SELECT m.contribution_key, m.kind, m.removed_at IS NOT NULL, "
          "coalesce(m.scope_organization, ''), coalesce(m.scope_repository::text, ''), "
          "coalesce(r.name, '') FROM members m "
          "LEFT JOIN repositories r ON r.id = m.scope_repository WHERE m.id = $1 FOR NO KEY UPDATE "
          "OF m",
          store::Params().Text(name->id)));
  if (!row.has_value() || MemberName(row->Text(3), row->Text(5), name->id) != request.name()) {
    return wrong_signature;
  }
  const std::string message = StrCat(request.nonce(), crypto::Sha256(request.name()).view(),
                                     crypto::Sha256(request.certificate_request()).view());
  if (!crypto::VerifySignature(row->Bytes(0), kRenewLabel, message, request.signature())) {
    return wrong_signature;
  }
  if (row->Bool(2)) {
    return Error(v1::ERROR_REASON_MEMBER_REMOVED, "This member was removed.");
  }
  return RenewingMember{name->id, static_cast<v1::MemberKind>(row->Int(1)), row->Text(3),
                        row->Text(4)};
}

// One use: whoever comes second finds the row.
absl::Status SpendNonce(store::Transaction& transaction, const std::string& nonce,
                        const std::string& member_id, absl::Time expiry) {
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("INSERT INTO renewal_nonces (nonce, member, expires_at) VALUES ($1, $2, $3) "
                   "ON CONFLICT DO NOTHING",
                   store::Params().Bytes(nonce).Text(member_id).Time(expiry))
          .status());
  return transaction.affected_rows() > 0 ? absl::OkStatus() : NonceInvalid();
}

}  // namespace

absl::StatusOr<v1::RenewCertificateResponse> Joining::Renew(
    store::Transaction& transaction, const v1::RenewCertificateRequest& request,
    absl::Time now) const {
  FEDERITY_ASSIGN_OR_RETURN(const absl::Time expiry, OpenNonce(nonce_key_, request, now));
  FEDERITY_RETURN_IF_ERROR(ValidateProgram(request));
  FEDERITY_ASSIGN_OR_RETURN(const RenewingMember member, CheckRenewal(transaction, request));
  FEDERITY_RETURN_IF_ERROR(SpendNonce(transaction, request.nonce(), member.id, expiry));
  FEDERITY_ASSIGN_OR_RETURN(
      const CertificateAuthority::MemberCertificate certificate,
      authority_.IssueMember(member.id, member.kind, request.certificate_request(), now));
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE members SET version = $2, last_seen_at = $3 WHERE id = $1",
                   store::Params().Text(member.id).Text(request.version()).Time(now))
          .status());
  FEDERITY_RETURN_IF_ERROR(
      audit::Append(transaction, {.time = now,
                                  .actor = request.name(),
                                  .scope_organization = member.scope_organization,
                                  .scope_repository = member.scope_repository,
                                  .action = "RenewCertificate",
                                  .resource = request.name()}));
  v1::RenewCertificateResponse response;
  response.set_certificate_chain(certificate.chain_pem);
  SetTimestamp(certificate.renew_time, response.mutable_renew_time());
  return response;
}

}  // namespace federity::membership
