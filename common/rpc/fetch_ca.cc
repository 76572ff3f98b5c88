#include <fcntl.h>
#include <netdb.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "absl/time/clock.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/openssl.h"
#include "common/rpc/address.h"
#include "common/rpc/channel.h"

namespace federity::rpc {
namespace {

using crypto::BioPtr;
using crypto::CertificatePtr;
using crypto::OpensslError;
using crypto::OpensslPtr;
using ContextPtr = OpensslPtr<SSL_CTX, SSL_CTX_free>;
using SslPtr = OpensslPtr<SSL, SSL_free>;
using StorePtr = OpensslPtr<X509_STORE, X509_STORE_free>;
using StoreContextPtr = OpensslPtr<X509_STORE_CTX, X509_STORE_CTX_free>;
using AddressListPtr = OpensslPtr<addrinfo, freeaddrinfo>;

absl::Status Unreachable(std::string_view what) { return absl::UnavailableError(ToAbsl(what)); }

// Waits until the socket is ready for `events`.
absl::Status Await(int fd, short events, absl::Time deadline) {
  while (true) {
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0) return absl::DeadlineExceededError("the server did not answer in time");
    pollfd poller = {.fd = fd, .events = events, .revents = 0};
    const int ready = poll(&poller, 1, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
  }
}

absl::StatusOr<FileDescriptor> ConnectTo(const addrinfo& target, absl::Time deadline) {
  FileDescriptor fd(socket(target.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  if (connect(fd.get(), target.ai_addr, target.ai_addrlen) == 0) return fd;
  if (errno != EINPROGRESS) return Unreachable(ToStd(ErrnoStatus(errno, "connect").message()));
  FEDERITY_RETURN_IF_ERROR(Await(fd.get(), POLLOUT, deadline));
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Unreachable(ToStd(ErrnoStatus(error, "connect").message()));
  return fd;
}

// Tries each of the name's addresses, IPv6 and IPv4.
absl::StatusOr<FileDescriptor> Connect(const Address& address, absl::Time deadline) {
  const addrinfo hints = {.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  const int error = getaddrinfo(address.host.c_str(), StrCat(address.port).c_str(), &hints, &found);
  const AddressListPtr list(found);
  if (error != 0) return Unreachable(StrCat(address.host, ": ", gai_strerror(error)));
  absl::Status last = Unreachable(StrCat(address.host, " has no address"));
  for (const addrinfo* target = list.get(); target != nullptr; target = target->ai_next) {
    auto fd = ConnectTo(*target, deadline);
    if (fd.ok()) return fd;
    last = fd.status();
  }
  return last;
}

// Sends what TLS has written. send() with MSG_NOSIGNAL: OpenSSL's own socket
// BIO would raise SIGPIPE in programs that have not turned it off.
absl::Status SendPending(int fd, BIO* out, absl::Time deadline) {
  char* data = nullptr;
  const long pending = BIO_get_mem_data(out, &data);
  for (long sent = 0; sent < pending;) {
    const ssize_t wrote = send(fd, data + sent, static_cast<size_t>(pending - sent), MSG_NOSIGNAL);
    if (wrote >= 0) {
      sent += wrote;
    } else if (errno == EAGAIN) {
      FEDERITY_RETURN_IF_ERROR(Await(fd, POLLOUT, deadline));
    } else if (errno != EINTR) {
      return Unreachable(ToStd(ErrnoStatus(errno, "send").message()));
    }
  }
  static_cast<void>(BIO_reset(out));
  return absl::OkStatus();
}

absl::Status ReceiveSome(int fd, BIO* in, absl::Time deadline) {
  char buffer[16384];
  while (true) {
    const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got > 0) {
      BIO_write(in, buffer, static_cast<int>(got));
      return absl::OkStatus();
    }
    if (got == 0) return Unreachable("the server closed the connection; is TLS spoken there?");
    if (errno == EAGAIN) {
      FEDERITY_RETURN_IF_ERROR(Await(fd, POLLIN, deadline));
    } else if (errno != EINTR) {
      return Unreachable(ToStd(ErrnoStatus(errno, "receive").message()));
    }
  }
}

absl::Status Handshake(SSL* ssl, int fd, absl::Time deadline) {
  while (true) {
    const int result = SSL_connect(ssl);
    const int error = SSL_get_error(ssl, result);
    FEDERITY_RETURN_IF_ERROR(SendPending(fd, SSL_get_wbio(ssl), deadline));
    if (result == 1) return absl::OkStatus();
    if (error != SSL_ERROR_WANT_READ)
      return Unreachable(ToStd(OpensslError("TLS handshake").message()));
    FEDERITY_RETURN_IF_ERROR(ReceiveSome(fd, SSL_get_rbio(ssl), deadline));
  }
}

absl::StatusOr<SslPtr> MakeClient(SSL_CTX* context, const Address& address) {
  // gRPC servers speak only HTTP/2.
  static constexpr unsigned char kAlpn[] = {2, 'h', '2'};
  SslPtr ssl(SSL_new(context));
  BioPtr in(BIO_new(BIO_s_mem()));
  BioPtr out(BIO_new(BIO_s_mem()));
  if (ssl == nullptr || in == nullptr || out == nullptr ||
      SSL_set_alpn_protos(ssl.get(), kAlpn, sizeof kAlpn) != 0)
    return OpensslError("TLS client");
  BIO_set_mem_eof_return(in.get(), -1);  // empty means: wait
  // What SSL_set_tlsext_host_name does, without its old-style cast.
  std::string name = address.host;
  if (!address.is_ip && SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                 name.data()) != 1)
    return OpensslError("TLS server name");
  SSL_set_bio(ssl.get(), in.release(), out.release());
  return ssl;
}

std::optional<crypto::Digest> FingerprintOf(X509* certificate) {
  crypto::Digest digest;
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.bytes.data(), &size) != 1) return std::nullopt;
  return digest;
}

// Whether the server's own certificate comes from this CA: an interceptor can
// append the true CA's certificate to a chain of its own. Dates are checked on
// every later connection; a wrong clock must not look like an interception.
bool ChainsTo(STACK_OF(X509) * chain, X509* ca) {
  const StorePtr store(X509_STORE_new());
  const StoreContextPtr context(X509_STORE_CTX_new());
  if (store == nullptr || context == nullptr || X509_STORE_add_cert(store.get(), ca) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), sk_X509_value(chain, 0), chain) != 1)
    return false;
  X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_SERVER);
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_NO_CHECK_TIME);
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  return good;
}

absl::StatusOr<std::string> ToPem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1)
    return OpensslError("write a certificate");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

}  // namespace

absl::StatusOr<std::string> FetchCaCertificate(std::string_view address,
                                               const crypto::Digest& expected,
                                               absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  FEDERITY_ASSIGN_OR_RETURN(const Address target, ParseAddress(address));
  const ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1)
    return OpensslError("TLS client");
  FEDERITY_ASSIGN_OR_RETURN(const SslPtr ssl, MakeClient(context.get(), target));
  auto connected = Connect(target, deadline);
  if (!connected.ok()) return Annotate(connected.status(), address);
  FEDERITY_RETURN_IF_ERROR(Annotate(Handshake(ssl.get(), connected->get(), deadline), address));

  STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(ssl.get());  // owned by ssl
  std::string shown = "no certificate";
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i) {
    X509* const certificate = sk_X509_value(chain, i);
    const auto fingerprint = FingerprintOf(certificate);
    if (!fingerprint) return OpensslError("certificate fingerprint");
    shown = fingerprint->ToString();
    if (*fingerprint != expected) continue;
    if (ChainsTo(chain, certificate)) return ToPem(certificate);
    shown += ", which did not issue its certificate";
    break;
  }
  return absl::UnauthenticatedError(
      StrCat("the server at ", address, " shows the CA ", shown, "; ", expected.ToString(),
             " is expected. Something between here and there intercepts TLS, or the link is of ",
             "another coordinator."));
}

}  // namespace federity::rpc
