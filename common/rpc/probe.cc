#include "common/rpc/probe.h"

#include <netdb.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "absl/time/clock.h"
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

absl::Status Unreachable(std::string_view what) { return absl::UnavailableError(ToAbsl(what)); }

absl::Status Unreachable(int error, std::string_view what) {
  return absl::UnavailableError(ErrnoStatus(error, what).message());
}

absl::StatusOr<AddressListPtr> Lookup(const Address& address) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(address.host.c_str(), StrCat(address.port).c_str(), &hints, &found);
  if (error != 0) return Unreachable(StrCat(address.host, ": ", ::gai_strerror(error)));
  return AddressListPtr(found);
}

// Waits until the socket is ready for `events`.
absl::Status Await(int fd, short events, absl::Time deadline) {
  while (true) {
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0) {
      return absl::DeadlineExceededError("no answer in time; a firewall may drop the packets");
    }
    pollfd poller = {.fd = fd, .events = events, .revents = 0};
    const int ready = ::poll(&poller, 1, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
  }
}

absl::StatusOr<FileDescriptor> ConnectTo(const addrinfo& target, absl::Time deadline) {
  FileDescriptor fd(::socket(target.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  if (::connect(fd.get(), target.ai_addr, target.ai_addrlen) == 0) return fd;
  if (errno != EINPROGRESS) return Unreachable(errno, "connect");
  FEDERITY_RETURN_IF_ERROR(Await(fd.get(), POLLOUT, deadline));
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Unreachable(error, "connect");
  return fd;
}

// A TLS client over two memory BIOs, which does not end the handshake for a chain
// or a name that is not the expected one.
absl::StatusOr<SslPtr> MakeClient(SSL_CTX* context, const Address& address) {
  static constexpr unsigned char kAlpn[] = {2, 'h', '2'};  // gRPC speaks HTTP/2 only
  SslPtr ssl(SSL_new(context));
  BioPtr in(BIO_new(BIO_s_mem()));
  BioPtr out(BIO_new(BIO_s_mem()));
  if (!ssl || !in || !out || SSL_set_alpn_protos(ssl.get(), kAlpn, sizeof kAlpn) != 0) {
    return OpensslError("TLS client");
  }
  SSL_set_verify(ssl.get(), SSL_VERIFY_NONE, nullptr);
  X509_VERIFY_PARAM* expected = SSL_get0_param(ssl.get());
  const int set = address.is_ip ? X509_VERIFY_PARAM_set1_ip_asc(expected, address.host.c_str())
                                : X509_VERIFY_PARAM_set1_host(expected, address.host.c_str(), 0);
  // What SSL_set_tlsext_host_name does, without its old-style cast.
  std::string name = address.host;
  if (set != 1 || (!address.is_ip && SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME,
                                              TLSEXT_NAMETYPE_host_name, name.data()) != 1)) {
    return OpensslError("TLS server name");
  }
  BIO_set_mem_eof_return(in.get(), -1);  // empty means: wait
  SSL_set_bio(ssl.get(), in.release(), out.release());
  return ssl;
}

absl::Status Trust(SSL_CTX* context, std::string_view ca_pem) {
  if (ca_pem.empty()) return absl::OkStatus();
  const BioPtr bio(BIO_new_mem_buf(ca_pem.data(), static_cast<int>(ca_pem.size())));
  const CertificatePtr ca(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!ca || X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.get()) != 1) {
    return OpensslError("reading the CA certificate");
  }
  return absl::OkStatus();
}

// Sends what TLS has written. send() with MSG_NOSIGNAL: OpenSSL's own socket
// BIO would raise SIGPIPE in programs that have not turned it off.
absl::Status SendPending(int fd, BIO* out, absl::Time deadline) {
  char* data = nullptr;
  const long pending = BIO_get_mem_data(out, &data);
  for (long sent = 0; sent < pending;) {
    const ssize_t wrote =
        ::send(fd, data + sent, static_cast<size_t>(pending - sent), MSG_NOSIGNAL);
    if (wrote >= 0) {
      sent += wrote;
    } else if (errno == EAGAIN) {
      FEDERITY_RETURN_IF_ERROR(Await(fd, POLLOUT, deadline));
    } else if (errno != EINTR) {
      return Unreachable(errno, "send");
    }
  }
  static_cast<void>(BIO_reset(out));
  return absl::OkStatus();
}

absl::Status ReceiveSome(int fd, BIO* in, absl::Time deadline) {
  char buffer[16384];
  while (true) {
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got > 0) {
      BIO_write(in, buffer, static_cast<int>(got));
      return absl::OkStatus();
    }
    if (got == 0) return Unreachable("the server closed the connection; is TLS spoken there?");
    if (errno == EAGAIN) {
      FEDERITY_RETURN_IF_ERROR(Await(fd, POLLIN, deadline));
    } else if (errno != EINTR) {
      return Unreachable(errno, "receive");
    }
  }
}

absl::Status Handshake(SSL* ssl, int fd, absl::Time deadline) {
  while (true) {
    const int result = SSL_connect(ssl);
    const int error = SSL_get_error(ssl, result);
    FEDERITY_RETURN_IF_ERROR(SendPending(fd, SSL_get_wbio(ssl), deadline));
    if (result == 1) return absl::OkStatus();
    if (error != SSL_ERROR_WANT_READ) {
      return Unreachable(StrCat(OpensslError("TLS handshake").message(),
                                "; is this the coordinator's port, and is TLS let through?"));
    }
    FEDERITY_RETURN_IF_ERROR(ReceiveSome(fd, SSL_get_rbio(ssl), deadline));
  }
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

absl::StatusOr<FileDescriptor> ConnectTcp(const Address& address, absl::Time deadline) {
  return ConnectAny({address}, deadline);
}

absl::StatusOr<FileDescriptor> ConnectAny(const std::vector<Address>& addresses,
                                          absl::Time deadline) {
  absl::Status last = Unreachable("there is no address");
  std::vector<AddressListPtr> lists;
  std::vector<const addrinfo*> all;
  for (const Address& address : addresses) {
    absl::StatusOr<AddressListPtr> list = Lookup(address);
    if (!list.ok()) {
      last = list.status();
      continue;
    }
    for (const addrinfo* one = list->get(); one != nullptr; one = one->ai_next) all.push_back(one);
    lists.push_back(*std::move(list));
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const absl::Time now = absl::Now();
    const auto left = static_cast<int64_t>(all.size() - i);
    auto fd = ConnectTo(*all[i], now + (deadline - now) / left);
    if (fd.ok()) return fd;
    last = fd.status();
  }
  return last;
}

absl::StatusOr<TlsPeer> ShakeHands(const FileDescriptor& socket, const Address& address,
                                   std::string_view ca_pem, absl::Time deadline) {
  const ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) {
    return OpensslError("TLS client");
  }
  FEDERITY_RETURN_IF_ERROR(Trust(context.get(), ca_pem));
  FEDERITY_ASSIGN_OR_RETURN(const SslPtr ssl, MakeClient(context.get(), address));
  FEDERITY_RETURN_IF_ERROR(Handshake(ssl.get(), socket.get(), deadline));
  TlsPeer peer{.version = SSL_get_version(ssl.get()), .chain_pem = ChainOf(ssl.get())};
  const long verified = SSL_get_verify_result(ssl.get());
  if (!ca_pem.empty() && verified != X509_V_OK) {
    peer.fault = X509_verify_cert_error_string(verified);
  }
  return peer;
}

}  // namespace federity::rpc
