#include "client/identity/enrolment.h"

#include <string>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/certificates.h"
#include "common/crypto/digest.h"
#include "common/crypto/secret.h"

namespace federity::identity {
namespace {

using Stub = v1::MembershipService::Stub;

std::string Sha256Bytes(std::string_view data) { return std::string(crypto::Sha256(data).view()); }

}  // namespace

absl::StatusOr<v1::JoinResponse> RedeemLink(Stub& stub, const rpc::JoinLink& link,
                                            v1::MemberKind kind, std::string_view version,
                                            const crypto::SigningKey& contribution_key,
                                            std::string_view certificate_request,
                                            const CallOptions& options) {
  v1::JoinRequest request;
  request.set_secret(link.secret);
  request.set_kind(kind);
  request.set_contribution_key(contribution_key.public_key());
  request.set_certificate_request(std::string(certificate_request));
  request.set_signature(contribution_key.Sign(
      "federity/join/v1", StrCat(Sha256Bytes(link.secret), Sha256Bytes(certificate_request))));
  request.set_version(std::string(version));
  return Call(stub, &Stub::Join, request, options);
}

absl::StatusOr<TlsCredential> RenewCertificate(Stub& stub, std::string_view member,
                                               std::string_view version,
                                               const crypto::SigningKey& contribution_key,
                                               const CallOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(crypto::TlsKeyAndRequest tls, crypto::GenerateTlsKey());
  v1::RenewCertificateRequest request;
  request.set_name(std::string(member));
  request.set_version(std::string(version));
  FEDERITY_ASSIGN_OR_RETURN(const v1::RenewCertificateResponse challenge,
                            Call(stub, &Stub::RenewCertificate, request, options));
  request.set_nonce(challenge.nonce());
  request.set_certificate_request(tls.request_der);
  request.set_signature(contribution_key.Sign(
      "federity/renew/v1",
      StrCat(challenge.nonce(), Sha256Bytes(member), Sha256Bytes(tls.request_der))));
  // The nonce is good once: a lost answer means beginning again, at the next
  // Connect.
  CallOptions once = options;
  once.give_up_after = absl::ZeroDuration();
  FEDERITY_ASSIGN_OR_RETURN(const v1::RenewCertificateResponse answer,
                            Call(stub, &Stub::RenewCertificate, request, once));
  return TlsCredential{.private_key_pem = std::move(tls.private_key_pem),
                       .chain_pem = answer.certificate_chain()};
}

absl::Status EndMembership(IdentityStore& store, const Identity& identity, bool withdraw,
                           const CallOptions& options) {
  const auto channel = store.Connect(identity.id);
  absl::Status status = channel.status();
  if (channel.ok()) {
    Stub stub(*channel);
    v1::RemoveMemberRequest request;
    request.set_name(identity.member);
    request.set_withdraw(withdraw);
    request.set_request_id(crypto::RandomUuid());
    status = Call(stub, &Stub::RemoveMember, request, options).status();
  }
  // Who is removed can't ask again what came of it: being told so is the answer.
  const ErrorReason reason = ReasonOf(status);
  const bool gone =
      reason == v1::ERROR_REASON_MEMBER_REMOVED || reason == v1::ERROR_REASON_NOT_FOUND;
  return gone ? absl::OkStatus() : status;
}

}  // namespace federity::identity
