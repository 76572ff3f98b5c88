#include "server/api/membership_service.h"

#include <utility>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/digest.h"
#include "server/membership/callers.h"
#include "server/membership/conversions.h"
#include "server/membership/members.h"
#include "server/membership/scope.h"

namespace federity::api {
namespace {

constexpr absl::Duration kRefusedJoinInterval = absl::Minutes(10);
constexpr std::string_view kJoin = "/federity.v1.MembershipService/Join";
constexpr std::string_view kRenewCertificate = "/federity.v1.MembershipService/RenewCertificate";
constexpr std::string_view kGetCaller = "/federity.v1.MembershipService/GetCaller";
constexpr std::string_view kCreateInvitation = "/federity.v1.MembershipService/CreateInvitation";
constexpr std::string_view kListInvitations = "/federity.v1.MembershipService/ListInvitations";
constexpr std::string_view kRevokeInvitation = "/federity.v1.MembershipService/RevokeInvitation";
constexpr std::string_view kListMembers = "/federity.v1.MembershipService/ListMembers";
constexpr std::string_view kSetMemberRole = "/federity.v1.MembershipService/SetMemberRole";
constexpr std::string_view kRemoveMember = "/federity.v1.MembershipService/RemoveMember";

membership::Scope ScopeOf(const Call& call) {
  return {.organization = call.resource().organization,
          .repository_id = call.repository().id,
          .repository = call.resource().repository};
}

// The identifier in `…/{collection}/{id}`.
absl::StatusOr<std::string> IdIn(const Call& call, std::string_view collection) {
  if (call.resource().collection != collection || !call.resource().subcollection.empty()) {
    return InvalidArgument("name", StrCat("must end in /", collection, "/{id}"));
  }
  return call.resource().id;
}

// A scope's own name, nothing below it.
absl::Status RequireScope(const Call& call) {
  if (call.resource().collection.empty()) return absl::OkStatus();
  return InvalidArgument("parent", "must be an organization or a repository");
}

// Lists of an organisation that nobody invited: only administrators get so far.
absl::Status RequireOrganization(Call& call) {
  if (!call.repository().id.empty() || call.resource().organization.empty()) {
    return absl::OkStatus();
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      call.transaction().QueryOptional("SELECT 1 FROM organizations WHERE id = $1",
                                       store::Params().Text(call.resource().organization)));
  if (row.has_value()) return absl::OkStatus();
  return NotFound(call.resource().organization_name());
}

}  // namespace

grpc::ServerUnaryReactor* MembershipService::Join(grpc::CallbackServerContext* context,
                                                  const v1::JoinRequest* request,
                                                  v1::JoinResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  ErrorReason refusal = v1::ERROR_REASON_UNSPECIFIED;
  const grpc::Status status =
      dispatcher_.HandlePublic(kJoin, *request, response,
                               [&](store::Transaction& transaction, const v1::JoinRequest& join,
                                   v1::JoinResponse* answer) -> absl::Status {
                                 absl::StatusOr<v1::JoinResponse> joined =
                                     joining_.Join(transaction, join, dispatcher_.clock().Now());
                                 refusal = ReasonOf(joined.status());
                                 FEDERITY_RETURN_IF_ERROR(joined.status());
                                 *answer = *std::move(joined);
                                 return absl::OkStatus();
                               });
  if (membership::Joining::IsAudited(refusal)) AuditRefusedJoin(*request, refusal);
  reactor->Finish(status);
  return reactor;
}

// All unknown links share one row an interval, a known one has its own: outsiders
// can't make more.
void MembershipService::AuditRefusedJoin(const v1::JoinRequest& request, ErrorReason refusal) {
  std::string what = StrCat("join/", refusal);
  if (refusal != v1::ERROR_REASON_INVITATION_INVALID) {
    what += StrCat("/", crypto::Sha256(request.secret()).view());
  }
  dispatcher_.AuditRarely(what, kRefusedJoinInterval,
                          [&](store::Transaction& transaction, int64_t attempts) {
                            return membership::Joining::AuditRefused(
                                transaction, request, refusal, attempts, dispatcher_.clock().Now());
                          });
}

grpc::ServerUnaryReactor* MembershipService::RenewCertificate(
    grpc::CallbackServerContext* context, const v1::RenewCertificateRequest* request,
    v1::RenewCertificateResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (request->nonce().empty()) {
    // Asks the database nothing, so that nobody can wear it out.
    response->set_nonce(joining_.MakeNonce(request->name(), dispatcher_.clock().Now()));
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  reactor->Finish(dispatcher_.HandlePublic(
      kRenewCertificate, *request, response,
      [this](store::Transaction& transaction, const v1::RenewCertificateRequest& renew,
             v1::RenewCertificateResponse* answer) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(*answer,
                                  joining_.Renew(transaction, renew, dispatcher_.clock().Now()));
        return absl::OkStatus();
      }));
  return reactor;
}

grpc::ServerUnaryReactor* MembershipService::GetCaller(grpc::CallbackServerContext* context,
                                                       const v1::GetCallerRequest* request,
                                                       v1::Member* response) {
  return dispatcher_.HandleUnary(
      context, kGetCaller, *request, response,
      [](Call& call, const v1::GetCallerRequest&, v1::Member* member) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(
            *member, membership::ReadMember(call.transaction(), call.caller().member_id,
                                            membership::Detail::kAll, call.now()));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* MembershipService::CreateInvitation(
    grpc::CallbackServerContext* context, const v1::CreateInvitationRequest* request,
    v1::CreateInvitationResponse* response) {
  return dispatcher_.HandleUnary(
      context, kCreateInvitation, *request, response,
      [this](Call& call, const v1::CreateInvitationRequest& create,
             v1::CreateInvitationResponse* answer) -> absl::Status {
        FEDERITY_RETURN_IF_ERROR(RequireScope(call));
        FEDERITY_ASSIGN_OR_RETURN(
            *answer, membership::CreateInvitation(call.transaction(), call.caller(), ScopeOf(call),
                                                  create, link_target_, call.now()));
        const v1::Invitation& invitation = answer->invitation();
        call.AuditResource(invitation.name());
        call.AuditDetail("organization", invitation.organization());
        call.AuditDetail("role", std::string(membership::RoleName(invitation.role())));
        call.AuditDetail("kind", std::string(membership::KindName(invitation.kind())));
        call.AuditDetail("count", StrCat(invitation.count()));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* MembershipService::ListInvitations(
    grpc::CallbackServerContext* context, const v1::ListInvitationsRequest* request,
    v1::ListInvitationsResponse* response) {
  return dispatcher_.HandleUnary(
      context, kListInvitations, *request, response,
      [this](Call& call, const v1::ListInvitationsRequest& list,
             v1::ListInvitationsResponse* answer) -> absl::Status {
        FEDERITY_RETURN_IF_ERROR(RequireScope(call));
        FEDERITY_RETURN_IF_ERROR(RequireOrganization(call));
        FEDERITY_ASSIGN_OR_RETURN(
            const PageCursor cursor,
            dispatcher_.page_tokens().Read(kListInvitations, list.parent(), list.page_size(),
                                           list.page_token()));
        FEDERITY_ASSIGN_OR_RETURN(membership::InvitationPage page,
                                  membership::ListInvitations(call.transaction(), ScopeOf(call),
                                                              cursor.size, cursor.cursor));
        for (v1::Invitation& invitation : page.invitations) {
          *answer->add_invitations() = std::move(invitation);
        }
        if (!page.next_cursor.empty()) {
          answer->set_next_page_token(
              dispatcher_.page_tokens().Next(kListInvitations, list.parent(), page.next_cursor));
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* MembershipService::RevokeInvitation(
    grpc::CallbackServerContext* context, const v1::RevokeInvitationRequest* request,
    v1::Invitation* response) {
  return dispatcher_.HandleUnary(
      context, kRevokeInvitation, *request, response,
      [](Call& call, const v1::RevokeInvitationRequest&,
         v1::Invitation* invitation) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const std::string id, IdIn(call, "invitations"));
        FEDERITY_ASSIGN_OR_RETURN(*invitation,
                                  membership::RevokeInvitation(call.transaction(), call.caller(),
                                                               ScopeOf(call), id, call.now()));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* MembershipService::ListMembers(grpc::CallbackServerContext* context,
                                                         const v1::ListMembersRequest* request,
                                                         v1::ListMembersResponse* response) {
  return dispatcher_.HandleUnary(
      context, kListMembers, *request, response,
      [this](Call& call, const v1::ListMembersRequest& list,
             v1::ListMembersResponse* answer) -> absl::Status {
        FEDERITY_RETURN_IF_ERROR(RequireScope(call));
        FEDERITY_RETURN_IF_ERROR(RequireOrganization(call));
        // A token of the list with removed members does not fit the one without.
        const std::string scope =
            list.show_removed() ? StrCat(list.parent(), "\nremoved") : list.parent();
        FEDERITY_ASSIGN_OR_RETURN(const PageCursor cursor,
                                  dispatcher_.page_tokens().Read(
                                      kListMembers, scope, list.page_size(), list.page_token()));
        FEDERITY_ASSIGN_OR_RETURN(
            membership::MemberPage page,
            membership::ListMembers(call.transaction(), call.caller(), ScopeOf(call),
                                    list.show_removed(), cursor.size, cursor.cursor, call.now()));
        for (v1::Member& member : page.members) *answer->add_members() = std::move(member);
        if (!page.next_cursor.empty()) {
          answer->set_next_page_token(
              dispatcher_.page_tokens().Next(kListMembers, scope, page.next_cursor));
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* MembershipService::SetMemberRole(grpc::CallbackServerContext* context,
                                                           const v1::SetMemberRoleRequest* request,
                                                           v1::Member* response) {
  return dispatcher_.HandleUnary(
      context, kSetMemberRole, *request, response,
      [](Call& call, const v1::SetMemberRoleRequest& set, v1::Member* member) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const std::string id, IdIn(call, "members"));
        FEDERITY_RETURN_IF_ERROR(membership::SetMemberRole(call.transaction(), ScopeOf(call), id,
                                                           set.role(), call.now()));
        call.AuditDetail("role", std::string(membership::RoleName(set.role())));
        FEDERITY_ASSIGN_OR_RETURN(
            *member,
            membership::ReadMember(call.transaction(), id, membership::Detail::kAll, call.now()));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* MembershipService::RemoveMember(grpc::CallbackServerContext* context,
                                                          const v1::RemoveMemberRequest* request,
                                                          google::protobuf::Empty* response) {
  return dispatcher_.HandleUnary(
      context, kRemoveMember, *request, response,
      [](Call& call, const v1::RemoveMemberRequest& remove,
         google::protobuf::Empty*) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const std::string id, IdIn(call, "members"));
        const bool stays = id == call.caller().member_id && !remove.withdraw();
        call.AuditDetail("withdraw", stays ? "no" : "yes");
        return membership::RemoveMember(
            call.transaction(), ScopeOf(call), id,
            stays ? membership::Leaving::kByItself : membership::Leaving::kRemoved, call.now());
      });
}

}  // namespace federity::api
