#ifndef FEDERITY_SERVER_MEMBERSHIP_CERTIFICATE_AUTHORITY_H_
#define FEDERITY_SERVER_MEMBERSHIP_CERTIFICATE_AUTHORITY_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/crypto/digest.h"
#include "common/crypto/ed25519.h"
#include "common/crypto/secret.h"
#include "federity/v1/membership.pb.h"
#include "server/store/database.h"

namespace federity::membership {

// Certificates live this long; they are renewed at half of it. They begin a day
// early, for members whose clocks are behind.
inline constexpr absl::Duration kPersonCertificateLife = absl::Hours(24 * 30);
inline constexpr absl::Duration kAgentCertificateLife = absl::Hours(24 * 7);
inline constexpr absl::Duration kServerCertificateLife = absl::Hours(24 * 365);
inline constexpr absl::Duration kCaCertificateLife = absl::Hours(24 * 365 * 20);
inline constexpr absl::Duration kClockSkew = absl::Hours(24);

// The coordinator's own keys: the CA that signs members' and servers'
// certificates, and the Ed25519 key that signs what it states. They live in the
// `coordinator` row, wrapped by the key file's secret, and are made by the first
// start; replicas that start at once agree on one.
// Thread-safe: immutable after creation.
class CertificateAuthority {
 public:
  // FAILED_PRECONDITION if the key file is not the one of this database.
  static absl::StatusOr<std::unique_ptr<CertificateAuthority>> LoadOrCreate(
      store::Database& database, const crypto::Secret& key_file, const Clock& clock);

  const std::string& certificate_pem() const { return certificate_pem_; }
  // SHA-256 of the certificate: what join links carry.
  const crypto::Digest& fingerprint() const { return fingerprint_; }

  struct MemberCertificate {
    std::string chain_pem;  // the certificate, then the CA's
    absl::Time renew_time;
  };
  // CERTIFICATE_REQUEST_INVALID unless the request is a self-signed P-256 one.
  absl::StatusOr<MemberCertificate> IssueMember(std::string_view member_id, v1::MemberKind kind,
                                                std::string_view request_der, absl::Time now) const;

  struct ServerCertificate {
    std::string chain_pem;
    crypto::Secret private_key_pem;
    absl::Time renew_time;
  };
  // For DNS names and IP addresses, told apart here; a new key each time.
  // INVALID_ARGUMENT for an empty list.
  absl::StatusOr<ServerCertificate> IssueServer(const std::vector<std::string>& hosts,
                                                absl::Time now) const;

  // The coordinator's signature, see crypto::SigningKey.
  std::string Sign(std::string_view label, std::string_view message) const {
    return signing_key_.Sign(label, message);
  }
  const std::string& signing_public_key() const { return signing_key_.public_key(); }

  // 32 secret bytes for one purpose, the same on every replica.
  crypto::Secret DeriveKey(std::string_view label) const;

 private:
  CertificateAuthority(std::string certificate_pem, crypto::Digest fingerprint,
                       crypto::Secret key_pem, crypto::SigningKey signing_key)
      : certificate_pem_(std::move(certificate_pem)),
        fingerprint_(fingerprint),
        key_pem_(std::move(key_pem)),
        signing_key_(std::move(signing_key)) {}

  const std::string certificate_pem_;
  const crypto::Digest fingerprint_;
  const crypto::Secret key_pem_;
  const crypto::SigningKey signing_key_;
};

// Wraps the coordinator's keys anew: `key rotate`. FAILED_PRECONDITION if
// `old_key_file` is not the present one.
absl::Status RewrapCoordinatorKeys(store::Transaction& transaction,
                                   const crypto::Secret& old_key_file,
                                   const crypto::Secret& new_key_file);

}  // namespace federity::membership

#endif  // FEDERITY_SERVER_MEMBERSHIP_CERTIFICATE_AUTHORITY_H_
