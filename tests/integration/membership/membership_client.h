#ifndef FEDERITY_TESTS_INTEGRATION_MEMBERSHIP_MEMBERSHIP_CLIENT_H_
#define FEDERITY_TESTS_INTEGRATION_MEMBERSHIP_MEMBERSHIP_CLIENT_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/crypto/certificates.h"
#include "common/crypto/digest.h"
#include "common/crypto/ed25519.h"
#include "common/rpc/join_link.h"
#include "federity/v1/membership.grpc.pb.h"
#include "tests/testing/api_fixture.h"

namespace federity::testing {

using MembershipStub = v1::MembershipService::StubInterface;

inline std::unique_ptr<v1::MembershipService::Stub> Membership(
    const std::shared_ptr<grpc::Channel>& channel) {
  return v1::MembershipService::NewStub(channel);
}

// The keys of somebody who wants to join.
struct Joiner {
  crypto::SigningKey key = crypto::SigningKey::Generate();
  crypto::TlsKeyAndRequest tls = *crypto::GenerateTlsKey();

  v1::JoinRequest Request(const std::string& secret, v1::MemberKind kind) const {
    v1::JoinRequest request;
    request.set_secret(secret);
    request.set_kind(kind);
    request.set_contribution_key(key.public_key());
    request.set_certificate_request(tls.request_der);
    request.set_version("0.1.0");
    request.set_signature(
        key.Sign("federity/join/v1",
                 StrCat(crypto::Sha256(secret).view(), crypto::Sha256(tls.request_der).view())));
    return request;
  }
};

inline absl::StatusOr<v1::JoinResponse> SendJoin(ApiFixture& api, const v1::JoinRequest& request) {
  v1::JoinResponse response;
  const absl::Status status = Call(*Membership(api.AnonymousChannel()),
                                   &v1::MembershipService::Stub::Join, request, &response);
  if (!status.ok()) return status;
  return response;
}

inline absl::StatusOr<v1::JoinResponse> Join(ApiFixture& api, const std::string& link,
                                             const Joiner& joiner,
                                             v1::MemberKind kind = v1::MEMBER_KIND_PERSON) {
  return SendJoin(api, joiner.Request(rpc::ParseJoinLink(link)->secret, kind));
}

inline v1::CreateInvitationRequest InvitationFor(const std::string& parent, v1::Role role,
                                                 v1::MemberKind kind = v1::MEMBER_KIND_PERSON) {
  v1::CreateInvitationRequest request;
  request.set_parent(parent);
  request.set_role(role);
  request.set_kind(kind);
  request.set_request_id(NewRequestId());
  return request;
}

inline absl::StatusOr<v1::CreateInvitationResponse> Invite(
    const ApiFixture::Member& inviter, const v1::CreateInvitationRequest& request) {
  v1::CreateInvitationResponse response;
  const absl::Status status =
      Call(*Membership(inviter.channel), &v1::MembershipService::Stub::CreateInvitation, request,
           &response);
  if (!status.ok()) return status;
  return response;
}

inline absl::StatusOr<v1::Member> GetCaller(const std::shared_ptr<grpc::Channel>& channel) {
  v1::Member member;
  const absl::Status status = Call(*Membership(channel), &v1::MembershipService::Stub::GetCaller,
                                   v1::GetCallerRequest(), &member);
  if (!status.ok()) return status;
  return member;
}

inline absl::Status Remove(const std::shared_ptr<grpc::Channel>& channel, const std::string& name,
                           bool withdraw = false) {
  v1::RemoveMemberRequest request;
  request.set_name(name);
  request.set_withdraw(withdraw);
  request.set_request_id(NewRequestId());
  google::protobuf::Empty response;
  return Call(*Membership(channel), &v1::MembershipService::Stub::RemoveMember, request, &response);
}

inline absl::StatusOr<v1::Member> SetRole(const std::shared_ptr<grpc::Channel>& channel,
                                          const std::string& name, v1::Role role) {
  v1::SetMemberRoleRequest request;
  request.set_name(name);
  request.set_role(role);
  request.set_request_id(NewRequestId());
  v1::Member member;
  const absl::Status status =
      Call(*Membership(channel), &v1::MembershipService::Stub::SetMemberRole, request, &member);
  if (!status.ok()) return status;
  return member;
}

template <typename T>
v1::ErrorReason Reason(const absl::StatusOr<T>& result) {
  return ReasonOf(result.status());
}
inline v1::ErrorReason Reason(const absl::Status& status) { return ReasonOf(status); }

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_INTEGRATION_MEMBERSHIP_MEMBERSHIP_CLIENT_H_
