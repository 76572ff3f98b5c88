#include "server/app/rpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"

namespace federity::app {
namespace {

bool IsWildcard(const std::string& host) { return host == "::" || host == "0.0.0.0"; }

// A bound socket with SO_REUSEPORT; it never listens, so no connection comes to
// it, and gRPC's own sockets may bind beside it.
absl::StatusOr<ReservedPort> ReserveOn(const HostPort& listen) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(listen.host.c_str(), "0", &hints, &found); error != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen: ", listen.host, ": ", gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  FileDescriptor socket_fd(
      socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC, addresses->ai_protocol));
  const int on = 1;
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (!socket_fd.valid() ||
      setsockopt(socket_fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
      bind(socket_fd.get(), addresses->ai_addr, addresses->ai_addrlen) != 0 ||
      getsockname(socket_fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return ErrnoStatus(errno, absl::StrCat("bind ", listen.host));
  }
  char service[NI_MAXSERV];
  int port = 0;
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&bound), size, nullptr, 0, service,
                  sizeof service, NI_NUMERICSERV) != 0 ||
      !absl::SimpleAtoi(service, &port)) {
    return absl::InternalError("can't tell the bound port");
  }
  return ReservedPort{{listen.host, port}, std::move(socket_fd)};
}

void Configure(grpc::ServerBuilder& builder, const ServerConfig& config, bool reuse_port) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(config.max_message_bytes));
  grpc::ResourceQuota quota("federity-server");
  quota.Resize(static_cast<size_t>(config.memory_bytes));
  builder.SetResourceQuota(quota);
  // A second server on the same port must fail, not share it.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, reuse_port ? 1 : 0);
  // Clients ping every 30 s, also without a call, so that NAT keeps the path
  // open; the server finds dead clients in about 80 s.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 128);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 20'000);
}

}  // namespace

absl::StatusOr<ReservedPort> ReservePort(const HostPort& listen) {
  if (listen.port != 0) return ReservedPort{listen, {}};
  absl::StatusOr<ReservedPort> reserved = ReserveOn(listen);
  // A machine without IPv6.
  if (!reserved.ok() && listen.host == "::") return ReserveOn({"0.0.0.0", 0});
  return reserved;
}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(
    const ServerConfig& config, const ReservedPort& reserved,
    std::shared_ptr<grpc::ServerCredentials> credentials,
    const std::function<void(grpc::ServerBuilder&)>& add_services) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  const auto build = [&](const HostPort& address) {
    grpc::ServerBuilder builder;
    Configure(builder, config, /*reuse_port=*/reserved.socket.valid());
    builder.AddListeningPort(address.ToString(), credentials);
    add_services(builder);
    return builder.BuildAndStart();
  };
  std::unique_ptr<grpc::Server> server = build(reserved.address);
  if (server == nullptr && reserved.address.host == "::") {
    server = build({"0.0.0.0", reserved.address.port});
  }
  if (server == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("can't listen on ", reserved.address.ToString(), ": the port is taken or ",
                     IsWildcard(reserved.address.host) ? "needs another user (below 1024)"
                                                       : "the address is not one of this machine"));
  }
  std::unique_ptr<RpcServer> result(new RpcServer(std::move(server)));
  result->SetServing(false);
  return result;
}

RpcServer::~RpcServer() { Shutdown(absl::Now()); }

void RpcServer::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void RpcServer::Shutdown(absl::Time deadline) { server_->Shutdown(absl::ToChronoTime(deadline)); }

}  // namespace federity::app
