#include "common/rpc/channel.h"

#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <cstdlib>

namespace federity::rpc {

std::shared_ptr<grpc::Channel> MakeChannel(const ChannelOptions& options) {
  // What gRPC logs stands in the statuses too; GRPC_VERBOSITY still shows it.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = options.ca_certificate_pem;
  if (!options.certificate_chain_pem.empty()) {
    tls.pem_cert_chain = options.certificate_chain_pem;
    tls.pem_private_key = std::string(options.private_key_pem.view());
  }
  grpc::ChannelArguments arguments;
  // Firewalls forget idle connections; an agent that waits must notice.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 30'000);
  // Connections of another identity to the same address are never shared.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(options.address, grpc::SslCredentials(tls), arguments);
}

}  // namespace federity::rpc
