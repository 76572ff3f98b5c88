#include "common/rpc/probe.h"

#include <netdb.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/openssl.h"

namespace federity::rpc {
namespace {

using crypto::BioPtr;
using crypto::CertificatePtr;
using crypto::OpensslError;
using crypto::OpensslPtr;
using AddressListPtr = OpensslPtr<addrinfo, freeaddrinfo>;
using ContextPtr = OpensslPtr<SSL_CTX, SSL_CTX_free>;
using SslPtr = OpensslPtr<SSL, SSL_free>;

absl::StatusOr<AddressListPtr> Lookup(const Address& address) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(address.host.c_str(), StrCat(address.port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(StrCat(address.host, ": ", ::gai_strerror(error)));
  }
  return AddressListPtr(found);
}

// Trusts the CA and expects the host's name, without ending the handshake for
// either.
absl::Status Expect(SSL* ssl, SSL_CTX* context, const Address& address,
                    std::string_view ca_pem) {
  SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
  if (!ca_pem.empty()) {
    const BioPtr bio(BIO_new_mem_buf(ca_pem.data(), static_cast<int>(ca_pem.size())));
    const CertificatePtr ca(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!ca || X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.get()) != 1) {
      return OpensslError("reading the CA certificate");
    }
  }
  X509_VERIFY_PARAM* expected = SSL_get0_param(ssl);
  const int set = address.is_ip ? X509_VERIFY_PARAM_set1_ip_asc(expected, address.host.c_str())
                                : X509_VERIFY_PARAM_set1_host(expected, address.host.c_str(), 0);
  std::string name = address.host;
  if (set != 1 || (!address.is_ip && SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
                                              TLSEXT_NAMETYPE_host_name, name.data()) != 1)) {
    return OpensslError("TLS server name");
  }
  return absl::OkStatus();
}

std::vector<std::string> ChainOf(SSL* ssl) {
  std::vector<std::string> chain;
  STACK_OF(X509)* const certificates = SSL_get_peer_cert_chain(ssl);  // owned by ssl
  for (int i = 0; certificates != nullptr && i < sk_X509_num(certificates); ++i) {
    const BioPtr bio(BIO_new(BIO_s_mem()));
    if (!bio || PEM_write_bio_X509(bio.get(), sk_X509_value(certificates, i)) != 1) break;
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    chain.emplace_back(data, static_cast<size_t>(size));
  }
  return chain;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ResolveHost(const Address& address) {
  FEDERITY_ASSIGN_OR_RETURN(const AddressListPtr list, Lookup(address));
  std::vector<std::string> texts;
  for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
    char text[NI_MAXHOST];
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      texts.emplace_back(text);
    }
  }
  return texts;
}

absl::StatusOr<FileDescriptor> ConnectTcp(const Address& address, absl::Duration timeout) {
  FEDERITY_ASSIGN_OR_RETURN(const AddressListPtr list, Lookup(address));
  absl::Status last = absl::UnavailableError(StrCat(address.host, " has no address"));
  for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
    FileDescriptor fd(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) continue;
    const timeval limit = absl::ToTimeval(timeout);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0) return fd;
    // EINPROGRESS is how Linux reports that SO_SNDTIMEO ran out.
    last = errno == EINPROGRESS
               ? absl::DeadlineExceededError("no answer; a firewall may drop the packets")
               : ErrnoStatus(errno, StrCat("connecting to port ", address.port));
  }
  return last;
}

absl::StatusOr<TlsPeer> ShakeHands(const FileDescriptor& socket, const Address& address,
                                   std::string_view ca_pem) {
  static constexpr unsigned char kAlpn[] = {2, 'h', '2'};  // gRPC speaks HTTP/2 only
  const ContextPtr context(SSL_CTX_new(TLS_client_method()));
  const SslPtr ssl(context ? SSL_new(context.get()) : nullptr);
  if (!ssl || SSL_set_alpn_protos(ssl.get(), kAlpn, sizeof kAlpn) != 0) {
    return OpensslError("TLS client");
  }
  FEDERITY_RETURN_IF_ERROR(Expect(ssl.get(), context.get(), address, ca_pem));
  SSL_set_fd(ssl.get(), socket.get());
  if (SSL_connect(ssl.get()) != 1) {
    const absl::Status why = OpensslError("TLS handshake");
    return absl::UnavailableError(
        StrCat(why.message(), "; is this the coordinator's port, and is TLS let through?"));
  }
  TlsPeer peer{.version = SSL_get_version(ssl.get()), .chain_pem = ChainOf(ssl.get())};
  const long verified = SSL_get_verify_result(ssl.get());
  if (!ca_pem.empty() && verified != X509_V_OK) {
    peer.fault = X509_verify_cert_error_string(verified);
  }
  return peer;
}

}  // namespace federity::rpc
