#include "common/rpc/channel.h"

#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/match.h"
#include "common/base/strings.h"
#include "common/rpc/probe.h"

namespace federity::rpc {
namespace {

// gRPC's own form for a list of addresses takes no names, so they are looked up
// here, and of one family: IPv4 goes in as IPv6, which sockets undo. Brackets are
// no part of a URI's path.
std::string ListOf(const std::vector<std::string>& ips, const std::vector<uint16_t>& ports) {
  std::string list;
  const auto is_v6 = [](const std::string& ip) { return absl::StrContains(ip, ':'); };
  const bool v6 = std::any_of(ips.begin(), ips.end(), is_v6);
  for (size_t i = 0; i < ips.size(); ++i) {
    const std::string host = !v6              ? ips[i]
                             : is_v6(ips[i]) ? StrCat("%5B", ips[i], "%5D")
                                             : StrCat("%5B::ffff:", ips[i], "%5D");
    list += StrCat(list.empty() ? (v6 ? "ipv6:" : "ipv4:") : ",", host, ":", ports[i]);
  }
  return list;
}

// What gRPC connects to; the first address as it is where there is nothing else.
std::string Target(const ChannelOptions& options) {
  if (options.other_addresses.empty()) return options.address;
  std::vector<std::string> all = options.other_addresses;
  all.insert(all.begin(), options.address);
  std::vector<std::string> ips;
  std::vector<uint16_t> ports;
  for (const std::string& text : all) {
    const absl::StatusOr<Address> address = ParseAddress(text);
    if (!address.ok()) continue;
    const absl::StatusOr<std::vector<std::string>> found = ResolveHost(*address);
    if (!found.ok()) continue;  // another may be known
    for (const std::string& ip : *found) {
      if (absl::StrContains(ip, '%')) continue;  // of one network interface
      ips.push_back(ip);
      ports.push_back(address->port);
    }
  }
  return ips.empty() ? options.address : ListOf(ips, ports);
}

}  // namespace

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
  // How long an attempt to connect may take at least: a busy machine needs more than
  // a second for TLS. It delays no attempt.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 30'000);
  // Connections of another identity to the same address are never shared.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // One name for all of them, in TLS and in requests.
  if (!options.other_addresses.empty()) {
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, options.address);
  }
  return grpc::CreateCustomChannel(Target(options), grpc::SslCredentials(tls), arguments);
}

}  // namespace federity::rpc
