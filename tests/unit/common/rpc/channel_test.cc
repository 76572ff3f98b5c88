#include "common/rpc/channel.h"

#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "common/base/files.h"
#include "common/base/strings.h"
#include "common/crypto/certificates.h"
#include "common/rpc/probe.h"
#include "federity/v1/server.grpc.pb.h"

namespace federity::rpc {
namespace {

// A coordinator's CA, and a gRPC server with a chain of its choice.
struct Ca {
  crypto::CaKeyAndCertificate ca =
      *crypto::GenerateCa("Federity test", absl::Now(), absl::Hours(24));
  crypto::TlsKeyAndRequest tls = *crypto::GenerateTlsKey();

  std::string Issue(std::vector<std::string> addresses) const {
    crypto::CertificateSpec spec;
    spec.server = true;
    spec.ip_addresses = std::move(addresses);
    spec.not_before = absl::Now() - absl::Hours(1);
    spec.not_after = absl::Now() + absl::Hours(1);
    return *crypto::IssueCertificate(ca.private_key_pem, ca.certificate_pem, tls.request_der, spec);
  }
  crypto::Digest fingerprint() const {
    return crypto::ParseCertificate(ca.certificate_pem)->fingerprint;
  }
};

class Server {
 public:
  Server(const Ca& ca, const std::string& chain, const std::string& host = "127.0.0.1") {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({std::string(ca.tls.private_key_pem.view()), chain});
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(host + ":0", grpc::SslServerCredentials(options), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    REQUIRE(server_ != nullptr);
    address_ = StrCat(host, ":", port);
  }
  ~Server() { server_->Shutdown(std::chrono::system_clock::now()); }
  const std::string& address() const { return address_; }

 private:
  v1::ServerService::Service service_;  // gRPC starts no server without one
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

// A TCP port that accepts and then says nothing, or closes at once.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(listen(fd_.get(), 1) == 0);
    socklen_t size = sizeof address;
    REQUIRE(getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    address_ = StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  int Accept() const { return accept(fd_.get(), nullptr, nullptr); }
  int fd() const { return fd_.get(); }
  const std::string& address() const { return address_; }

 private:
  FileDescriptor fd_;
  std::string address_;
};

// A port whose packets go nowhere: its queue of connections is full. False where
// the machine's queues have no end.
class Silence {
 public:
  bool Make() {
    REQUIRE(listen(listener_.fd(), 0) == 0);
    sockaddr_in address = {};
    socklen_t size = sizeof address;
    REQUIRE(getsockname(listener_.fd(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    for (int i = 0; i < 16; ++i) {
      held_.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      connect(held_.back().get(), reinterpret_cast<sockaddr*>(&address), size);
      pollfd poller = {.fd = held_.back().get(), .events = POLLOUT, .revents = 0};
      if (poll(&poller, 1, 200) == 0) return true;
    }
    return false;
  }
  const std::string& address() const { return listener_.address(); }

 private:
  Listener listener_;
  std::vector<FileDescriptor> held_;
};

absl::StatusOr<std::string> Fetch(const std::string& address, const crypto::Digest& expected,
                                  absl::Duration timeout = absl::Seconds(20)) {
  return FetchCaCertificate(address, expected, timeout);
}

bool Connects(const ChannelOptions& options) {
  return MakeChannel(options)->WaitForConnected(std::chrono::system_clock::now() +
                                                std::chrono::seconds(20));
}

TEST_CASE("The CA of a link's fingerprint is fetched and then trusted", "[rpc]") {
  const Ca ca;
  const Server server(ca, ca.Issue({"127.0.0.1"}) + ca.ca.certificate_pem);
  const auto pem = Fetch(server.address(), ca.fingerprint());
  INFO(pem.status().message());
  REQUIRE(pem.ok());
  CHECK(crypto::ParseCertificate(*pem)->fingerprint == ca.fingerprint());
  ChannelOptions options;
  options.address = server.address();
  options.ca_certificate_pem = *pem;
  CHECK(Connects(options));
}

TEST_CASE("IPv6 works where the machine has it", "[rpc]") {
  const FileDescriptor probe(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 any = {};
  any.sin6_family = AF_INET6;
  any.sin6_addr = in6addr_loopback;
  if (!probe.valid() || bind(probe.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) {
    WARN("no IPv6 here");
    return;
  }
  const Ca ca;
  const Server server(ca, ca.Issue({"::1"}) + ca.ca.certificate_pem, "[::1]");
  const auto pem = Fetch(server.address(), ca.fingerprint());
  REQUIRE(pem.ok());
  ChannelOptions options;
  options.address = server.address();
  options.ca_certificate_pem = *pem;
  CHECK(Connects(options));
}

std::string ClosedAddress() {
  const Listener closed;
  return closed.address();
}

TEST_CASE("A channel goes to the address that answers, and to another when it ends", "[rpc]") {
  const Ca ca;
  const std::string chain = ca.Issue({"127.0.0.1"}) + ca.ca.certificate_pem;
  const Listener silent;  // accepts and says nothing
  auto first = std::make_unique<Server>(ca, chain);
  const Server second(ca, chain);
  ChannelOptions options;
  options.ca_certificate_pem = ca.ca.certificate_pem;
  options.address = ClosedAddress();
  options.other_addresses = {"no address", silent.address(), first->address(), second.address()};
  const auto channel = MakeChannel(options);
  const auto call = [&] {
    v1::ServerService::Stub stub(channel);
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::ServerInfo info;
    CHECK(stub.GetServerInfo(&context, {}, &info).error_code() == grpc::UNIMPLEMENTED);
    return context.peer();
  };
  CHECK(call() == "ipv4:" + first->address());
  CHECK(call() == "ipv4:" + first->address());
  first.reset();
  CHECK(call() == "ipv4:" + second.address());
}

TEST_CASE("Addresses of both families, all under the first one's name", "[rpc]") {
  const FileDescriptor probe(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 any = {};
  any.sin6_family = AF_INET6;
  any.sin6_addr = in6addr_loopback;
  if (!probe.valid() || bind(probe.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) {
    WARN("no IPv6 here");
    return;
  }
  const Ca ca;
  ChannelOptions options;
  options.ca_certificate_pem = ca.ca.certificate_pem;
  options.address = ClosedAddress();
  {
    const Server v6(ca, ca.Issue({"127.0.0.1"}) + ca.ca.certificate_pem, "[::1]");
    options.other_addresses = {v6.address()};
    CHECK(Connects(options));
  }
  const Server v4(ca, ca.Issue({"::1"}) + ca.ca.certificate_pem);
  options.address = "[::1]" + options.address.substr(options.address.find(':'));
  options.other_addresses = {v4.address()};
  CHECK(Connects(options));
}

TEST_CASE("An address whose packets go nowhere leaves time for the next", "[rpc]") {
  Silence silence;
  if (!silence.Make()) {
    WARN("no full queue here");
    return;
  }
  const Listener good;
  const std::vector<Address> both = {*ParseAddress(silence.address()),
                                     *ParseAddress(good.address())};
  const auto connected = ConnectAny(both, absl::Now() + absl::Seconds(2));
  INFO(connected.status());
  CHECK(connected.ok());
  const auto none = ConnectAny({both[0]}, absl::Now() + absl::Milliseconds(50));
  CHECK(absl::IsDeadlineExceeded(none.status()));
  CHECK(absl::IsUnavailable(ConnectAny({}, absl::Now() + absl::Seconds(1)).status()));
}

TEST_CASE("An intercepting proxy is noticed, with both fingerprints", "[rpc]") {
  const Ca ca;
  const Ca proxy;
  SECTION("it shows a chain of its own") {
    const Server server(proxy, proxy.Issue({"127.0.0.1"}) + proxy.ca.certificate_pem);
    const auto pem = Fetch(server.address(), ca.fingerprint());
    CHECK(absl::IsUnauthenticated(pem.status()));
    CHECK_THAT(std::string(pem.status().message()),
               Catch::Contains(ca.fingerprint().ToString()) &&
                   Catch::Contains(proxy.fingerprint().ToString()));
  }
  SECTION("it appends the true CA to a chain of its own") {
    const Server server(proxy, proxy.Issue({"127.0.0.1"}) + ca.ca.certificate_pem);
    const auto pem = Fetch(server.address(), ca.fingerprint());
    CHECK(absl::IsUnauthenticated(pem.status()));
    CHECK_THAT(std::string(pem.status().message()), Catch::Contains("did not issue"));
  }
  SECTION("the CA is left out") {
    const Server server(ca, ca.Issue({"127.0.0.1"}));
    CHECK(absl::IsUnauthenticated(Fetch(server.address(), ca.fingerprint()).status()));
  }
}

TEST_CASE("A channel does not connect to another CA or another name", "[rpc]") {
  const Ca ca;
  const auto fails = [](const ChannelOptions& options) {
    // Does one handshake fail? TRANSIENT_FAILURE says so without waiting.
    const auto channel = MakeChannel(options);
    grpc_connectivity_state state = channel->GetState(true);
    while (state != GRPC_CHANNEL_TRANSIENT_FAILURE && state != GRPC_CHANNEL_READY &&
           channel->WaitForStateChange(state,
                                       std::chrono::system_clock::now() + std::chrono::seconds(20)))
      state = channel->GetState(true);
    return state == GRPC_CHANNEL_TRANSIENT_FAILURE;
  };
  ChannelOptions options;
  options.ca_certificate_pem = ca.ca.certificate_pem;
  const Server wrong_name(ca, ca.Issue({"127.0.0.2"}));
  options.address = wrong_name.address();
  CHECK(fails(options));
  const Server good(ca, ca.Issue({"127.0.0.1"}));
  options.address = good.address();
  CHECK_FALSE(fails(options));
  options.ca_certificate_pem = Ca().ca.certificate_pem;
  CHECK(fails(options));
}

TEST_CASE("What is no TLS server is reported, in time", "[rpc]") {
  const crypto::Digest any = crypto::Sha256("");
  CHECK(absl::IsUnavailable(Fetch(ClosedAddress(), any).status()));
  CHECK(absl::IsInvalidArgument(Fetch("nonsense", any).status()));

  const Listener silent;  // the kernel accepts for it
  CHECK(absl::IsDeadlineExceeded(Fetch(silent.address(), any, absl::Milliseconds(50)).status()));

  for (const std::string answer : {"", "HTTP/1.1 400 Bad Request\r\n\r\n"}) {
    const Listener other;
    std::thread peer([&] {
      const FileDescriptor connection(other.Accept());
      char hello[4096];
      static_cast<void>(!read(connection.get(), hello, sizeof hello));
      static_cast<void>(!write(connection.get(), answer.data(), answer.size()));
    });
    const absl::Status status = Fetch(other.address(), any).status();
    peer.join();
    INFO(status.message());
    CHECK(absl::IsUnavailable(status));
    CHECK_THAT(std::string(status.message()), Catch::StartsWith(other.address()));
  }
}

}  // namespace
}  // namespace federity::rpc
