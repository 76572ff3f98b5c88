#ifndef FEDERITY_SERVER_APP_RPC_SERVER_H_
#define FEDERITY_SERVER_APP_RPC_SERVER_H_

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/files.h"
#include "server/app/config.h"

namespace federity::app {

// A port that is ours before the gRPC server exists, for what must name it.
struct ReservedPort {
  HostPort address;
  FileDescriptor socket;  // keeps a port that the kernel chose; else empty
};
// Port 0 becomes a free one.
absl::StatusOr<ReservedPort> ReservePort(const HostPort& listen);

// The gRPC server: TLS, IPv6 and IPv4, health (NOT_SERVING until SetServing),
// reflection, limits. Thread-safe.
class RpcServer {
 public:
  // `add_services` registers them; they must outlive this.
  // UNAVAILABLE if the address is taken or not of this machine.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(
      const ServerConfig& config, const ReservedPort& reserved,
      std::shared_ptr<grpc::ServerCredentials> credentials,
      const std::function<void(grpc::ServerBuilder&)>& add_services);
  ~RpcServer();

  void SetServing(bool serving);
  // Takes no new calls, waits for those that run; at the deadline cancels them.
  void Shutdown(absl::Time deadline);

 private:
  explicit RpcServer(std::unique_ptr<grpc::Server> server) : server_(std::move(server)) {}
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace federity::app

#endif  // FEDERITY_SERVER_APP_RPC_SERVER_H_
