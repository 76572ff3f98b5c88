#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <vector>

#include "absl/time/clock.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/certificates.h"
#include "common/crypto/openssl.h"
#include "common/rpc/channel.h"
#include "common/rpc/probe.h"

namespace federity::rpc {
namespace {

using crypto::BioPtr;
using crypto::CertificatePtr;
using crypto::OpensslPtr;
void FreeChain(STACK_OF(X509) * chain) { sk_X509_pop_free(chain, X509_free); }
using ChainPtr = OpensslPtr<STACK_OF(X509), FreeChain>;
using StorePtr = OpensslPtr<X509_STORE, X509_STORE_free>;
using StoreContextPtr = OpensslPtr<X509_STORE_CTX, X509_STORE_CTX_free>;

CertificatePtr FromPem(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return CertificatePtr(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

// Whether the server's own certificate comes from this CA: an interceptor can
// append the true CA's certificate to a chain of its own. Dates are checked on
// every later connection; a wrong clock must not look like an interception.
bool ChainsTo(const std::vector<std::string>& chain_pem, const std::string& ca_pem) {
  const ChainPtr chain(sk_X509_new_null());
  for (const std::string& pem : chain_pem) {
    CertificatePtr certificate = FromPem(pem);
    if (!chain || !certificate || sk_X509_push(chain.get(), certificate.get()) <= 0) return false;
    static_cast<void>(certificate.release());  // the chain's now
  }
  const CertificatePtr ca = FromPem(ca_pem);
  const StorePtr store(X509_STORE_new());
  const StoreContextPtr context(X509_STORE_CTX_new());
  if (!ca || !store || !context || X509_STORE_add_cert(store.get(), ca.get()) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), sk_X509_value(chain.get(), 0),
                          chain.get()) != 1) {
    return false;
  }
  X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_SERVER);
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_NO_CHECK_TIME);
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  return good;
}

absl::StatusOr<TlsPeer> Visit(std::string_view address, absl::Time deadline) {
  FEDERITY_ASSIGN_OR_RETURN(const Address target, ParseAddress(address));
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor socket, ConnectTcp(target, deadline));
  return ShakeHands(socket, target, "", deadline);
}

}  // namespace

absl::StatusOr<std::string> FetchCaCertificate(std::string_view address,
                                               const crypto::Digest& expected,
                                               absl::Duration timeout) {
  const absl::StatusOr<TlsPeer> peer = Visit(address, absl::Now() + timeout);
  if (!peer.ok()) return Annotate(peer.status(), address);
  std::string shown = "no certificate";
  for (const std::string& pem : peer->chain_pem) {
    FEDERITY_ASSIGN_OR_RETURN(const crypto::CertificateInfo info, crypto::ParseCertificate(pem));
    shown = info.fingerprint.ToString();
    if (info.fingerprint != expected) continue;
    if (ChainsTo(peer->chain_pem, pem)) return pem;
    shown += ", which did not issue its certificate";
    break;
  }
  return absl::UnauthenticatedError(
      StrCat("the server at ", address, " shows the CA ", shown, "; ", expected.ToString(),
             " is expected. Something between here and there intercepts TLS, or the link is of ",
             "another coordinator."));
}

}  // namespace federity::rpc
