#ifndef FEDERITY_SERVER_API_MEMBERSHIP_SERVICE_H_
#define FEDERITY_SERVER_API_MEMBERSHIP_SERVICE_H_

#include <string>

#include "federity/v1/membership.grpc.pb.h"
#include "server/api/dispatcher.h"
#include "server/membership/certificate_authority.h"
#include "server/membership/invitations.h"
#include "server/membership/joining.h"

namespace federity::api {

// Organisations, members, invitations, certificates. Dispatcher and authority
// must outlive it. Thread-safe.
class MembershipService final : public v1::MembershipService::CallbackService {
 public:
  // `public_address` is the "host:port" that links name.
  MembershipService(Dispatcher& dispatcher, const membership::CertificateAuthority& authority,
                    std::string public_address)
      : dispatcher_(dispatcher),
        joining_(authority),
        link_target_{std::move(public_address), authority.fingerprint()} {}

  grpc::ServerUnaryReactor* Join(grpc::CallbackServerContext* context,
                                 const v1::JoinRequest* request,
                                 v1::JoinResponse* response) override;
  grpc::ServerUnaryReactor* RenewCertificate(grpc::CallbackServerContext* context,
                                             const v1::RenewCertificateRequest* request,
                                             v1::RenewCertificateResponse* response) override;
  grpc::ServerUnaryReactor* GetCaller(grpc::CallbackServerContext* context,
                                      const v1::GetCallerRequest* request,
                                      v1::Member* response) override;
  grpc::ServerUnaryReactor* CreateInvitation(grpc::CallbackServerContext* context,
                                             const v1::CreateInvitationRequest* request,
                                             v1::CreateInvitationResponse* response) override;
  grpc::ServerUnaryReactor* ListInvitations(grpc::CallbackServerContext* context,
                                            const v1::ListInvitationsRequest* request,
                                            v1::ListInvitationsResponse* response) override;
  grpc::ServerUnaryReactor* RevokeInvitation(grpc::CallbackServerContext* context,
                                             const v1::RevokeInvitationRequest* request,
                                             v1::Invitation* response) override;
  grpc::ServerUnaryReactor* ListMembers(grpc::CallbackServerContext* context,
                                        const v1::ListMembersRequest* request,
                                        v1::ListMembersResponse* response) override;
  grpc::ServerUnaryReactor* SetMemberRole(grpc::CallbackServerContext* context,
                                          const v1::SetMemberRoleRequest* request,
                                          v1::Member* response) override;
  grpc::ServerUnaryReactor* RemoveMember(grpc::CallbackServerContext* context,
                                         const v1::RemoveMemberRequest* request,
                                         google::protobuf::Empty* response) override;

 private:
  void AuditRefusedJoin(const v1::JoinRequest& request, ErrorReason refusal);

  Dispatcher& dispatcher_;
  const membership::Joining joining_;
  const membership::LinkTarget link_target_;
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_MEMBERSHIP_SERVICE_H_
