#ifndef FEDERITY_SERVER_MEMBERSHIP_JOINING_H_
#define FEDERITY_SERVER_MEMBERSHIP_JOINING_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/errors.h"
#include "federity/v1/membership.pb.h"
#include "server/membership/certificate_authority.h"
#include "server/store/database.h"

namespace federity::membership {

// The two acts that need no certificate, because their keys sign: redeeming an
// invitation, and getting a new certificate. The authority must outlive this.
// Thread-safe.
class Joining {
 public:
  // A repeated Join with the same key within this time gives the same member.
  static constexpr absl::Duration kRepeatable = absl::Minutes(10);
  static constexpr absl::Duration kNonceLife = absl::Minutes(5);

  explicit Joining(const CertificateAuthority& authority)
      : authority_(authority), nonce_key_(authority.DeriveKey("federity/renewal-nonce/v1")) {}

  // Checks the signature before anything else, the kind before redeeming; only
  // a holder of the right secret learns why it does not serve.
  // INVALID_ARGUMENT, SIGNATURE_INVALID, INVITATION_INVALID, _KIND_MISMATCH,
  // _REVOKED (also an administrator's link into a namespace that has an owner, and
  // one that replaces a member whose role its creator can't take away any more),
  // _EXPIRED, _USED, ALREADY_EXISTS (the key is a member's),
  // CERTIFICATE_REQUEST_INVALID, MEMBER_REMOVED (repeated, but removed since),
  // LAST_OWNER (replaces the last owner without being one).
  absl::StatusOr<v1::JoinResponse> Join(store::Transaction& transaction,
                                        const v1::JoinRequest& request, absl::Time now) const;

  // Whether the audit trail tells of a Join that was refused for this reason: the
  // link is unknown, expired, used up, revoked, or of the other kind.
  static bool IsAudited(ErrorReason refusal);
  // The row of such a refusal, `attempts` of them: with the invitation and in its
  // scope where the link is known, of the server otherwise; never the link.
  static absl::Status AuditRefused(store::Transaction& transaction, const v1::JoinRequest& request,
                                   ErrorReason refusal, int64_t attempts, absl::Time now);

  // The first call of a renewal. The nonce is sealed, so that nothing is kept
  // for callers that proved nothing yet.
  std::string MakeNonce(std::string_view member_name, absl::Time now) const;

  // The second call. NONCE_INVALID, SIGNATURE_INVALID (also for members that
  // never were), MEMBER_REMOVED, CERTIFICATE_REQUEST_INVALID.
  absl::StatusOr<v1::RenewCertificateResponse> Renew(store::Transaction& transaction,
                                                     const v1::RenewCertificateRequest& request,
                                                     absl::Time now) const;

 private:
  const CertificateAuthority& authority_;
  const crypto::Secret nonce_key_;
};

}  // namespace federity::membership

#endif  // FEDERITY_SERVER_MEMBERSHIP_JOINING_H_
