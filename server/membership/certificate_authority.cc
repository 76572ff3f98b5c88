#include "server/membership/certificate_authority.h"

#include <arpa/inet.h>

#include <utility>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/aead.h"
#include "common/crypto/certificates.h"
#include "server/membership/callers.h"

namespace federity::membership {
namespace {

constexpr std::string_view kCaKeyLabel = "federity/ca-key/v1";
constexpr std::string_view kSigningKeyLabel = "federity/signing-key/v1";

absl::Status WrongKeyFile() {
  return absl::FailedPreconditionError(
      "The key file does not belong to this database: it does not open the coordinator's keys. "
      "Start with the key file that was made with this database, or restore it from a backup.");
}

bool IsIpAddress(const std::string& host) {
  unsigned char buffer[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), buffer) == 1 ||
         inet_pton(AF_INET6, host.c_str(), buffer) == 1;
}

// The first start's keys; does nothing where another replica was quicker.
absl::Status CreateKeys(store::Transaction& transaction, const crypto::Secret& key_file,
                        absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(
      const crypto::CaKeyAndCertificate ca,
      crypto::GenerateCa("Federity coordinator", now - kClockSkew, kCaCertificateLife));
  const crypto::SigningKey signing_key = crypto::SigningKey::Generate();
  return transaction
      .Execute(
          "INSERT INTO coordinator (ca_certificate, ca_key_wrapped, signing_key_wrapped, "
          "signing_public_key, created_at) VALUES ($1, $2, $3, $4, $5) "
          "ON CONFLICT DO NOTHING",
          store::Params()
              .Text(ca.certificate_pem)
              .Bytes(crypto::WrapSecret(key_file, kCaKeyLabel, ca.private_key_pem))
              .Bytes(crypto::WrapSecret(key_file, kSigningKeyLabel, signing_key.seed()))
              .Bytes(signing_key.public_key())
              .Time(now))
      .status();
}

struct WrappedKeys {
  std::string certificate_pem;
  std::string ca_key;
  std::string signing_key;
};

absl::StatusOr<std::optional<WrappedKeys>> ReadKeys(store::Transaction& transaction) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(
          "SELECT ca_certificate, ca_key_wrapped, signing_key_wrapped FROM coordinator"));
  if (!row.has_value()) return std::nullopt;
  return WrappedKeys{row->Text(0), row->Bytes(1), row->Bytes(2)};
}

}  // namespace

absl::StatusOr<std::unique_ptr<CertificateAuthority>> CertificateAuthority::LoadOrCreate(
    store::Database& database, const crypto::Secret& key_file, const Clock& clock) {
  WrappedKeys keys;
  const absl::Status read =
      database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(std::optional<WrappedKeys> found, ReadKeys(transaction));
        if (!found.has_value()) {
          FEDERITY_RETURN_IF_ERROR(CreateKeys(transaction, key_file, clock.Now()));
          FEDERITY_ASSIGN_OR_RETURN(found, ReadKeys(transaction));
          if (!found.has_value()) return absl::InternalError("the coordinator row is missing");
        }
        keys = *std::move(found);
        return absl::OkStatus();
      });
  FEDERITY_RETURN_IF_ERROR(read);
  absl::StatusOr<crypto::Secret> ca_key = crypto::UnwrapSecret(key_file, kCaKeyLabel, keys.ca_key);
  absl::StatusOr<crypto::Secret> seed =
      crypto::UnwrapSecret(key_file, kSigningKeyLabel, keys.signing_key);
  if (!ca_key.ok() || !seed.ok()) return WrongKeyFile();
  FEDERITY_ASSIGN_OR_RETURN(crypto::SigningKey signing_key, crypto::SigningKey::FromSeed(*seed));
  FEDERITY_ASSIGN_OR_RETURN(const crypto::CertificateInfo info,
                            crypto::ParseCertificate(keys.certificate_pem));
  return std::unique_ptr<CertificateAuthority>(
      new CertificateAuthority(std::move(keys.certificate_pem), info.fingerprint,
                               *std::move(ca_key), std::move(signing_key)));
}

absl::StatusOr<CertificateAuthority::MemberCertificate> CertificateAuthority::IssueMember(
    std::string_view member_id, v1::MemberKind kind, std::string_view request_der,
    absl::Time now) const {
  const absl::Duration life =
      kind == v1::MEMBER_KIND_AGENT ? kAgentCertificateLife : kPersonCertificateLife;
  const absl::StatusOr<std::string> certificate = crypto::IssueCertificate(
      key_pem_, certificate_pem_, request_der,
      {.uri = MemberUri(member_id), .not_before = now - kClockSkew, .not_after = now + life});
  if (absl::IsInvalidArgument(certificate.status())) {
    return Error(v1::ERROR_REASON_CERTIFICATE_REQUEST_INVALID,
                 ToStd(certificate.status().message()));
  }
  FEDERITY_RETURN_IF_ERROR(certificate.status());
  return MemberCertificate{StrCat(*certificate, certificate_pem_), now + life / 2};
}

absl::StatusOr<CertificateAuthority::ServerCertificate> CertificateAuthority::IssueServer(
    const std::vector<std::string>& hosts, absl::Time now) const {
  if (hosts.empty()) return absl::InvalidArgumentError("a server certificate needs a host");
  crypto::CertificateSpec spec{
      .server = true, .not_before = now - kClockSkew, .not_after = now + kServerCertificateLife};
  for (const std::string& host : hosts) {
    (IsIpAddress(host) ? spec.ip_addresses : spec.dns_names).push_back(host);
  }
  FEDERITY_ASSIGN_OR_RETURN(crypto::TlsKeyAndRequest key, crypto::GenerateTlsKey());
  FEDERITY_ASSIGN_OR_RETURN(
      const std::string certificate,
      crypto::IssueCertificate(key_pem_, certificate_pem_, key.request_der, spec));
  return ServerCertificate{StrCat(certificate, certificate_pem_), std::move(key.private_key_pem),
                           now + kServerCertificateLife / 2};
}

crypto::Secret CertificateAuthority::DeriveKey(std::string_view label) const {
  // The seed is 32 uniform bytes that are never shown, and its digest is never
  // used otherwise; so SHA-256 does for a key derivation function.
  crypto::Sha256Hasher hasher;
  hasher.Update(StrCat("federity/derive/v1\n", label, "\n"));
  hasher.Update(signing_key_.seed().view());
  return crypto::Secret(hasher.Finish().view());
}

absl::Status RewrapCoordinatorKeys(store::Transaction& transaction,
                                   const crypto::Secret& old_key_file,
                                   const crypto::Secret& new_key_file) {
  FEDERITY_ASSIGN_OR_RETURN(const std::optional<WrappedKeys> keys, ReadKeys(transaction));
  if (!keys.has_value()) return absl::FailedPreconditionError("this coordinator never started");
  const absl::StatusOr<crypto::Secret> ca_key =
      crypto::UnwrapSecret(old_key_file, kCaKeyLabel, keys->ca_key);
  const absl::StatusOr<crypto::Secret> seed =
      crypto::UnwrapSecret(old_key_file, kSigningKeyLabel, keys->signing_key);
  if (!ca_key.ok() || !seed.ok()) return WrongKeyFile();
  return transaction
      .Execute("UPDATE coordinator SET ca_key_wrapped = $1, signing_key_wrapped = $2",
               store::Params()
                   .Bytes(crypto::WrapSecret(new_key_file, kCaKeyLabel, *ca_key))
                   .Bytes(crypto::WrapSecret(new_key_file, kSigningKeyLabel, *seed)))
      .status();
}

}  // namespace federity::membership
