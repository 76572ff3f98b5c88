#ifndef FEDERITY_CLIENT_IDENTITY_ENROLMENT_H_
#define FEDERITY_CLIENT_IDENTITY_ENROLMENT_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "client/identity/call.h"
#include "client/identity/identity_files.h"
#include "common/crypto/ed25519.h"
#include "common/rpc/join_link.h"
#include "federity/v1/membership.grpc.pb.h"

namespace federity::identity {

// A membership's beginning, renewal and end. The first two calls need no client
// certificate; their signatures are as membership.proto states them.

// Redeems `secret` for these keys. Repeatable with the same keys.
absl::StatusOr<v1::JoinResponse> RedeemLink(v1::MembershipService::Stub& stub,
                                            const rpc::JoinLink& link, v1::MemberKind kind,
                                            std::string_view version,
                                            const crypto::SigningKey& contribution_key,
                                            std::string_view certificate_request,
                                            const CallOptions& options);

// A new TLS key with a certificate for it: asks for a nonce, signs it with the
// contribution key.
absl::StatusOr<TlsCredential> RenewCertificate(v1::MembershipService::Stub& stub,
                                               std::string_view member, std::string_view version,
                                               const crypto::SigningKey& contribution_key,
                                               const CallOptions& options);

// Ends a membership at its coordinator, which with `withdraw` also drops its
// contribution from a round that has not merged yet. Repeatable: OK too where
// the membership ended before. Leaves the store as it is; Remove() wipes keys.
absl::Status EndMembership(IdentityStore& store, const Identity& identity, bool withdraw,
                           const CallOptions& options);

}  // namespace federity::identity

#endif  // FEDERITY_CLIENT_IDENTITY_ENROLMENT_H_
