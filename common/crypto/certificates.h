#ifndef FEDERITY_COMMON_CRYPTO_CERTIFICATES_H_
#define FEDERITY_COMMON_CRYPTO_CERTIFICATES_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/digest.h"
#include "common/crypto/secret.h"

namespace federity::crypto {

// X.509 through OpenSSL: ECDSA P-256 with SHA-256 throughout (128-bit
// security). Keys and certificates are PEM, requests DER.

// A TLS key and its PKCS#10 request (empty subject), self-signed.
struct TlsKeyAndRequest {
  Secret private_key_pem;
  std::string request_der;
};
absl::StatusOr<TlsKeyAndRequest> GenerateTlsKey();

// A self-signed CA certificate for `common_name`, pathlen 0.
struct CaKeyAndCertificate {
  Secret private_key_pem;
  std::string certificate_pem;
};
absl::StatusOr<CaKeyAndCertificate> GenerateCa(std::string_view common_name, absl::Time now,
                                               absl::Duration lifetime);

// What a certificate is to say. Exactly one of the two kinds of names is used:
// servers get DNS names and IP addresses, members get one URI.
struct CertificateSpec {
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  std::string uri;
  bool server = false;  // extended key usage serverAuth, else clientAuth
  absl::Time not_before;
  absl::Time not_after;
};

// Signs the request's key. INVALID_ARGUMENT unless the request is DER, signed by
// its own key, and that key is on P-256. Nothing else of the request is used.
absl::StatusOr<std::string> IssueCertificate(const Secret& ca_key_pem,
                                             std::string_view ca_certificate_pem,
                                             std::string_view request_der,
                                             const CertificateSpec& spec);

// What a PEM certificate says.
struct CertificateInfo {
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  std::vector<std::string> uris;
  std::string issuer;
  absl::Time not_before;
  absl::Time not_after;
  Digest fingerprint;  // SHA-256 of the DER form
};
absl::StatusOr<CertificateInfo> ParseCertificate(std::string_view certificate_pem);

// The PEM blocks of a chain, in order.
std::vector<std::string> SplitPemChain(std::string_view chain_pem);

}  // namespace federity::crypto

#endif  // FEDERITY_COMMON_CRYPTO_CERTIFICATES_H_
