#include "common/crypto/certificates.h"

#include <arpa/inet.h>
#include <openssl/pem.h>

#include <ctime>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/openssl.h"

namespace federity::crypto {
namespace {

constexpr size_t kMaxPemBytes = 1 << 20;
constexpr size_t kMaxRequestBytes = 16 << 10;
constexpr long kVersion3 = 2;     // X.509 counts from 0
constexpr int kSerialBits = 128;  // RFC 5280 allows 160
// Machines whose clock runs late must take a new CA for valid.
constexpr absl::Duration kClockSkew = absl::Hours(1);

BioPtr ReadBio(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string_view Content(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

absl::StatusOr<Secret> KeyToPem(EVP_PKEY* key) {
  // Secure memory: wiped when freed.
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  if (bio == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return OpensslError("write a private key");
  return Secret(Content(bio.get()));
}

absl::StatusOr<KeyPtr> KeyFromPem(const Secret& pem) {
  const BioPtr bio = ReadBio(pem.view());
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr) return OpensslError("read a private key");
  return key;
}

absl::StatusOr<std::string> CertificateToPem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1)
    return OpensslError("write a certificate");
  return std::string(Content(bio.get()));
}

absl::StatusOr<CertificatePtr> CertificateFromPem(std::string_view pem) {
  if (pem.size() > kMaxPemBytes)
    return InvalidArgument("certificate", "a certificate has at most 1 MiB");
  const BioPtr bio = ReadBio(pem);
  CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (certificate == nullptr)
    return InvalidArgument("certificate", "this is not a certificate in PEM form");
  return certificate;
}

bool SetRandomSerial(X509* certificate) {
  const BignumPtr number(BN_new());
  return number != nullptr &&
         BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool SetTimes(X509* certificate, absl::Time not_before, absl::Time not_after) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), absl::ToTimeT(not_before)) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), absl::ToTimeT(not_after)) != nullptr;
}

// `value` is a constant of this file, never somebody's input.
bool AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool AddText(GENERAL_NAMES* names, int type, const std::string& text) {
  OpensslPtr<GENERAL_NAME, GENERAL_NAME_free> name(GENERAL_NAME_new());
  OpensslPtr<ASN1_IA5STRING, ASN1_IA5STRING_free> value(ASN1_IA5STRING_new());
  if (name == nullptr || value == nullptr ||
      ASN1_STRING_set(value.get(), text.data(), static_cast<int>(text.size())) != 1)
    return false;
  GENERAL_NAME_set0_value(name.get(), type, value.release());
  if (sk_GENERAL_NAME_push(names, name.get()) <= 0) return false;
  static_cast<void>(name.release());
  return true;
}

bool AddAddress(GENERAL_NAMES* names, const std::string& text) {
  OpensslPtr<GENERAL_NAME, GENERAL_NAME_free> name(GENERAL_NAME_new());
  OpensslPtr<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> value(a2i_IPADDRESS(text.c_str()));
  if (name == nullptr || value == nullptr) return false;
  GENERAL_NAME_set0_value(name.get(), GEN_IPADD, value.release());
  if (sk_GENERAL_NAME_push(names, name.get()) <= 0) return false;
  static_cast<void>(name.release());
  return true;
}

bool IsPrintableAscii(std::string_view text) {
  for (const char c : text)
    if (c <= ' ' || c > '~') return false;
  return !text.empty();
}

// Built from values, not from OpenSSL's configuration strings, in which a comma
// in a name would add another.
absl::Status AddNames(X509* certificate, const CertificateSpec& spec) {
  const GeneralNamesPtr names(GENERAL_NAMES_new());
  if (names == nullptr) return OpensslError("certificate names");
  const auto refuse = [](const std::string& name) {
    return InvalidArgument("certificate", StrCat("\"", name, "\" can't stand in a certificate"));
  };
  for (const std::string& name : spec.dns_names)
    if (!IsPrintableAscii(name) || !AddText(names.get(), GEN_DNS, name)) return refuse(name);
  for (const std::string& address : spec.ip_addresses)
    if (!AddAddress(names.get(), address)) return refuse(address);
  if (!spec.uri.empty() &&
      (!IsPrintableAscii(spec.uri) || !AddText(names.get(), GEN_URI, spec.uri)))
    return refuse(spec.uri);
  if (sk_GENERAL_NAME_num(names.get()) == 0)
    return InvalidArgument("certificate", "a certificate needs a name");
  // Critical because the subject is empty (RFC 5280 §4.2.1.6).
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 1, 0) != 1)
    return OpensslError("certificate names");
  return absl::OkStatus();
}

// The request, after every check that it must pass.
absl::StatusOr<RequestPtr> ReadRequest(std::string_view der) {
  const auto refuse = [](std::string_view why) {
    ERR_clear_error();
    return Error(v1::ERROR_REASON_CERTIFICATE_REQUEST_INVALID,
                 StrCat("the certificate request is refused: ", why));
  };
  if (der.size() > kMaxRequestBytes) return refuse("it has more than 16 KiB");
  const unsigned char* position = Bytes(der);
  RequestPtr request(d2i_X509_REQ(nullptr, &position, static_cast<long>(der.size())));
  if (request == nullptr || position != Bytes(der) + der.size()) return refuse("it is not DER");
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  char group[64] = {};
  size_t length = 0;
  if (key == nullptr || EVP_PKEY_is_a(key, "EC") != 1 ||
      EVP_PKEY_get_group_name(key, group, sizeof group, &length) != 1 ||
      std::string_view(group, length) != SN_X9_62_prime256v1)
    return refuse("its key is not on the curve P-256");
  if (X509_REQ_verify(request.get(), key) != 1) return refuse("it is not signed by its own key");
  return request;
}

absl::StatusOr<absl::Time> ReadTime(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return OpensslError("certificate time");
  return absl::FromTM(parts, absl::UTCTimeZone());
}

void ReadNames(X509* certificate, CertificateInfo& info) {
  const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    const auto* value = static_cast<const ASN1_STRING*>(
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type));
    if (type != GEN_DNS && type != GEN_URI && type != GEN_IPADD) continue;
    const std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                           static_cast<size_t>(ASN1_STRING_length(value)));
    char address[INET6_ADDRSTRLEN] = {};
    if (type == GEN_DNS) {
      info.dns_names.push_back(text);
    } else if (type == GEN_URI) {
      info.uris.push_back(text);
    } else if ((text.size() == 4 || text.size() == 16) &&
               inet_ntop(text.size() == 4 ? AF_INET : AF_INET6, text.data(), address,
                         sizeof address) != nullptr) {
      info.ip_addresses.emplace_back(address);
    }
  }
}

}  // namespace

absl::StatusOr<TlsKeyAndRequest> GenerateTlsKey() {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const RequestPtr request(X509_REQ_new());
  if (key == nullptr || request == nullptr ||
      X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) <= 0)
    return OpensslError("make a TLS key");
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request.get(), &der);
  if (size <= 0) return OpensslError("write a certificate request");
  TlsKeyAndRequest result;
  result.request_der.assign(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  FEDERITY_ASSIGN_OR_RETURN(result.private_key_pem, KeyToPem(key.get()));
  return result;
}

absl::StatusOr<CaKeyAndCertificate> GenerateCa(std::string_view common_name, absl::Time now,
                                               absl::Duration lifetime) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr certificate(X509_new());
  if (key == nullptr || certificate == nullptr) return OpensslError("make a CA");
  X509* x509 = certificate.get();
  X509_NAME* name = X509_get_subject_name(x509);
  if (X509_set_version(x509, kVersion3) != 1 || !SetRandomSerial(x509) ||
      !SetTimes(x509, now - kClockSkew, now + lifetime) ||
      X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, Bytes(common_name),
                                 static_cast<int>(common_name.size()), -1, 0) != 1 ||
      X509_set_issuer_name(x509, name) != 1 || X509_set_pubkey(x509, key.get()) != 1 ||
      !AddExtension(x509, x509, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !AddExtension(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !AddExtension(x509, x509, NID_subject_key_identifier, "hash") ||
      X509_sign(x509, key.get(), EVP_sha256()) <= 0)
    return OpensslError("make a CA");
  CaKeyAndCertificate result;
  FEDERITY_ASSIGN_OR_RETURN(result.private_key_pem, KeyToPem(key.get()));
  FEDERITY_ASSIGN_OR_RETURN(result.certificate_pem, CertificateToPem(x509));
  return result;
}

absl::StatusOr<std::string> IssueCertificate(const Secret& ca_key_pem,
                                             std::string_view ca_certificate_pem,
                                             std::string_view request_der,
                                             const CertificateSpec& spec) {
  FEDERITY_ASSIGN_OR_RETURN(const RequestPtr request, ReadRequest(request_der));
  FEDERITY_ASSIGN_OR_RETURN(const KeyPtr ca_key, KeyFromPem(ca_key_pem));
  FEDERITY_ASSIGN_OR_RETURN(const CertificatePtr ca, CertificateFromPem(ca_certificate_pem));
  const CertificatePtr certificate(X509_new());
  if (certificate == nullptr) return OpensslError("make a certificate");
  X509* x509 = certificate.get();
  if (X509_check_private_key(ca.get(), ca_key.get()) != 1 ||
      X509_set_version(x509, kVersion3) != 1 || !SetRandomSerial(x509) ||
      !SetTimes(x509, spec.not_before, spec.not_after) ||
      X509_set_issuer_name(x509, X509_get_subject_name(ca.get())) != 1 ||
      X509_set_pubkey(x509, X509_REQ_get0_pubkey(request.get())) != 1 ||
      !AddExtension(x509, ca.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(x509, ca.get(), NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(x509, ca.get(), NID_ext_key_usage, spec.server ? "serverAuth" : "clientAuth") ||
      !AddExtension(x509, ca.get(), NID_subject_key_identifier, "hash") ||
      !AddExtension(x509, ca.get(), NID_authority_key_identifier, "keyid:always"))
    return OpensslError("make a certificate");
  FEDERITY_RETURN_IF_ERROR(AddNames(x509, spec));
  if (X509_sign(x509, ca_key.get(), EVP_sha256()) <= 0) return OpensslError("sign a certificate");
  return CertificateToPem(x509);
}

absl::StatusOr<CertificateInfo> ParseCertificate(std::string_view certificate_pem) {
  FEDERITY_ASSIGN_OR_RETURN(const CertificatePtr certificate, CertificateFromPem(certificate_pem));
  CertificateInfo info;
  ReadNames(certificate.get(), info);
  const BioPtr issuer(BIO_new(BIO_s_mem()));
  if (issuer == nullptr || X509_NAME_print_ex(issuer.get(), X509_get_issuer_name(certificate.get()),
                                              0, XN_FLAG_RFC2253) < 0)
    return OpensslError("certificate issuer");
  info.issuer = std::string(Content(issuer.get()));
  FEDERITY_ASSIGN_OR_RETURN(info.not_before, ReadTime(X509_get0_notBefore(certificate.get())));
  FEDERITY_ASSIGN_OR_RETURN(info.not_after, ReadTime(X509_get0_notAfter(certificate.get())));
  unsigned int size = 0;
  if (X509_digest(certificate.get(), EVP_sha256(), info.fingerprint.bytes.data(), &size) != 1)
    return OpensslError("certificate fingerprint");
  return info;
}

std::vector<std::string> SplitPemChain(std::string_view chain_pem) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  std::vector<std::string> blocks;
  while (true) {
    const size_t begin = chain_pem.find(kBegin);
    if (begin == std::string_view::npos) return blocks;
    const size_t end = chain_pem.find(kEnd, begin);
    if (end == std::string_view::npos) return blocks;
    blocks.push_back(StrCat(chain_pem.substr(begin, end + kEnd.size() - begin), "\n"));
    chain_pem.remove_prefix(end + kEnd.size());
  }
}

}  // namespace federity::crypto
