#include "common/crypto/certificates.h"

#include <openssl/pem.h>

#include <catch2/catch.hpp>

#include "common/base/errors.h"
#include "common/crypto/openssl.h"

namespace federity::crypto {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

CertificatePtr Read(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return CertificatePtr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

CertificateSpec MemberSpec() {
  CertificateSpec spec;
  spec.uri = "federity://members/0b7f";
  spec.not_before = kNow;
  spec.not_after = kNow + absl::Hours(24 * 7);
  return spec;
}

struct Issued {
  CaKeyAndCertificate ca = *GenerateCa("Federity test", kNow, absl::Hours(24 * 365));
  TlsKeyAndRequest tls = *GenerateTlsKey();
  absl::StatusOr<std::string> Issue(const CertificateSpec& spec) const {
    return IssueCertificate(ca.private_key_pem, ca.certificate_pem, tls.request_der, spec);
  }
};

bool Verifies(const Issued& issued, const std::string& pem, int purpose, absl::Time at) {
  const OpensslPtr<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  const CertificatePtr ca = Read(issued.ca.certificate_pem);
  const CertificatePtr certificate = Read(pem);
  X509_STORE_add_cert(store.get(), ca.get());
  const OpensslPtr<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), certificate.get(), nullptr);
  X509_STORE_CTX_set_purpose(context.get(), purpose);
  X509_STORE_CTX_set_time(context.get(), 0, absl::ToTimeT(at));
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_X509_STRICT);
  return X509_verify_cert(context.get()) == 1;
}

TEST_CASE("A member's certificate says what its issuer says, and no more", "[crypto]") {
  const Issued issued;
  const auto pem = issued.Issue(MemberSpec());
  REQUIRE(pem.ok());
  const auto info = ParseCertificate(*pem);
  REQUIRE(info.ok());
  CHECK(info->uris == std::vector<std::string>{"federity://members/0b7f"});
  CHECK(info->dns_names.empty());
  CHECK(info->ip_addresses.empty());
  CHECK(info->issuer == "CN=Federity test");
  CHECK(info->not_before == kNow);
  CHECK(info->not_after == kNow + absl::Hours(24 * 7));
  CHECK(info->fingerprint != ParseCertificate(issued.ca.certificate_pem)->fingerprint);
  CHECK(Verifies(issued, *pem, X509_PURPOSE_SSL_CLIENT, kNow + absl::Hours(1)));
  CHECK_FALSE(Verifies(issued, *pem, X509_PURPOSE_SSL_SERVER, kNow + absl::Hours(1)));
  CHECK_FALSE(Verifies(issued, *pem, X509_PURPOSE_SSL_CLIENT, kNow + absl::Hours(24 * 8)));
  CHECK_FALSE(Verifies(Issued(), *pem, X509_PURPOSE_SSL_CLIENT, kNow));

  const CertificatePtr certificate = Read(*pem);
  CHECK(X509_check_ca(certificate.get()) == 0);
  CHECK(X509_get_key_usage(certificate.get()) == KU_DIGITAL_SIGNATURE);
  CHECK(X509_get_extended_key_usage(certificate.get()) == XKU_SSL_CLIENT);
}

TEST_CASE("A server's certificate has its names and addresses", "[crypto]") {
  const Issued issued;
  CertificateSpec spec = MemberSpec();
  spec.uri.clear();
  spec.server = true;
  spec.dns_names = {"coordinator.example.org", "localhost"};
  spec.ip_addresses = {"127.0.0.1", "::1"};
  const auto pem = issued.Issue(spec);
  REQUIRE(pem.ok());
  const auto info = ParseCertificate(*pem);
  REQUIRE(info.ok());
  CHECK(info->dns_names == spec.dns_names);
  CHECK(info->ip_addresses == spec.ip_addresses);
  CHECK(Verifies(issued, *pem, X509_PURPOSE_SSL_SERVER, kNow + absl::Hours(1)));
  const CertificatePtr certificate = Read(*pem);
  CHECK(X509_check_host(certificate.get(), "localhost", 0, 0, nullptr) == 1);
  CHECK(X509_check_host(certificate.get(), "example.org", 0, 0, nullptr) == 0);
}

TEST_CASE("A name can't smuggle in another", "[crypto]") {
  const Issued issued;
  CertificateSpec spec = MemberSpec();
  spec.uri = "federity://members/a,DNS:evil.example";
  const auto pem = issued.Issue(spec);
  REQUIRE(pem.ok());
  CHECK(ParseCertificate(*pem)->uris == std::vector<std::string>{spec.uri});
  CHECK(ParseCertificate(*pem)->dns_names.empty());
  for (const std::string& bad :
       {std::string("federity://members/a b"), std::string("federity://a\0b", 14),
        std::string("federity://ä"), std::string("a\n")}) {
    spec.uri = bad;
    CHECK(absl::IsInvalidArgument(issued.Issue(spec).status()));
  }
  spec.uri.clear();
  CHECK(absl::IsInvalidArgument(issued.Issue(spec).status()));  // no name at all
  spec.ip_addresses = {"not an address"};
  CHECK(absl::IsInvalidArgument(issued.Issue(spec).status()));
}

// A request for `key`, asking for a CA certificate of a name of its choice.
std::string GreedyRequest(EVP_PKEY* key, EVP_PKEY* signer) {
  const RequestPtr request(X509_REQ_new());
  X509_NAME* name = X509_REQ_get_subject_name(request.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("root"), -1, -1, 0);
  X509_REQ_set_pubkey(request.get(), key);
  STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
  sk_X509_EXTENSION_push(extensions,
                         X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "CA:TRUE"));
  X509_REQ_add_extensions(request.get(), extensions);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  X509_REQ_sign(request.get(), signer, EVP_sha256());
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request.get(), &der);
  std::string result(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return result;
}

TEST_CASE("Nothing of a request but its key is used", "[crypto]") {
  Issued issued;
  const KeyPtr key(EVP_EC_gen("P-256"));
  issued.tls.request_der = GreedyRequest(key.get(), key.get());
  const auto pem = issued.Issue(MemberSpec());
  REQUIRE(pem.ok());
  const CertificatePtr certificate = Read(*pem);
  CHECK(X509_check_ca(certificate.get()) == 0);
  CHECK(X509_NAME_entry_count(X509_get_subject_name(certificate.get())) == 0);
  CHECK(X509_check_private_key(certificate.get(), key.get()) == 1);
}

TEST_CASE("Requests of other keys, curves and signatures are refused", "[crypto]") {
  Issued issued;
  const auto refused = [&](std::string der) {
    issued.tls.request_der = std::move(der);
    const auto status = issued.Issue(MemberSpec()).status();
    return ReasonOf(status) == v1::ERROR_REASON_CERTIFICATE_REQUEST_INVALID &&
           absl::IsInvalidArgument(status);
  };
  const std::string good = issued.tls.request_der;
  const KeyPtr one(EVP_EC_gen("P-256"));
  const KeyPtr two(EVP_EC_gen("P-256"));
  const KeyPtr other_curve(EVP_EC_gen("P-384"));
  const KeyPtr rsa(EVP_RSA_gen(2048));
  CHECK(refused(GreedyRequest(one.get(), two.get())));
  CHECK(refused(GreedyRequest(other_curve.get(), other_curve.get())));
  CHECK(refused(GreedyRequest(rsa.get(), rsa.get())));
  CHECK(refused(""));
  CHECK(refused("not DER"));
  CHECK(refused(good + "x"));
  CHECK(refused(std::string(100'000, 'x')));
  for (size_t size = 0; size < good.size(); ++size) CHECK(refused(good.substr(0, size)));
  for (size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK(refused(changed));
  }
}

TEST_CASE("A CA's certificate can sign and nothing more", "[crypto]") {
  const Issued issued;
  const CertificatePtr ca = Read(issued.ca.certificate_pem);
  CHECK(X509_check_ca(ca.get()) == 1);
  CHECK(X509_get_key_usage(ca.get()) == (KU_KEY_CERT_SIGN | KU_CRL_SIGN));
  CHECK(X509_get_pathlen(ca.get()) == 0);
  // Machines whose clock is a little late take it.
  CHECK(ParseCertificate(issued.ca.certificate_pem)->not_before < kNow);
  const Issued other;
  CHECK_FALSE(IssueCertificate(other.ca.private_key_pem, issued.ca.certificate_pem,
                               issued.tls.request_der, MemberSpec())
                  .ok());
}

TEST_CASE("Serial numbers are long and differ", "[crypto]") {
  const Issued issued;
  const CertificatePtr a = Read(*issued.Issue(MemberSpec()));
  const CertificatePtr b = Read(*issued.Issue(MemberSpec()));
  CHECK(ASN1_INTEGER_cmp(X509_get0_serialNumber(a.get()), X509_get0_serialNumber(b.get())) != 0);
  CHECK(ASN1_STRING_length(X509_get0_serialNumber(a.get())) >= 12);
}

TEST_CASE("Chains are split; what is no certificate is refused", "[crypto]") {
  const Issued issued;
  const std::string pem = *issued.Issue(MemberSpec());
  const auto blocks = SplitPemChain("noise\n" + pem + issued.ca.certificate_pem);
  REQUIRE(blocks.size() == 2);
  CHECK(blocks[0] == pem);
  CHECK(blocks[1] == issued.ca.certificate_pem);
  CHECK(SplitPemChain("").empty());
  CHECK(SplitPemChain("-----BEGIN CERTIFICATE-----\nabc").empty());
  for (const std::string& bad :
       {std::string(), std::string("x"), pem.substr(0, pem.size() / 2), std::string(2 << 20, 'x')})
    CHECK(absl::IsInvalidArgument(ParseCertificate(bad).status()));
}

}  // namespace
}  // namespace federity::crypto
