#ifndef FEDERITY_COMMON_RPC_CHANNEL_H_
#define FEDERITY_COMMON_RPC_CHANNEL_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/digest.h"
#include "common/crypto/secret.h"

namespace federity::rpc {

// How to reach a coordinator over TLS. Without certificate and key the channel
// reaches only Join, RenewCertificate, health and reflection.
struct ChannelOptions {
  std::string address;  // whose host the server's certificate must name
  // Where else replicas of the same coordinator are, whose certificates name that
  // host too. They are tried in this order when `address` does not answer.
  std::vector<std::string> other_addresses;
  std::string ca_certificate_pem;
  std::string certificate_chain_pem;  // empty: no client certificate
  crypto::Secret private_key_pem;
};

// Keepalive every 30 s, reconnect backoff 1–30 s with jitter, 1 MiB chunks
// pass. Blocks only to look up names, where there are several addresses; one
// that does not answer within 5 s is passed over. Turns the log of gRPC itself off in this process, unless
// GRPC_VERBOSITY is set.
std::shared_ptr<grpc::Channel> MakeChannel(const ChannelOptions& options);

// Connects once with plain OpenSSL, without trust, and returns the PEM of the
// CA certificate at the end of the server's chain if its SHA-256 is
// `expected`; UNAUTHENTICATED naming both fingerprints otherwise (an
// intercepting proxy shows here). This is how a join link's fingerprint turns
// into a trust anchor.
absl::StatusOr<std::string> FetchCaCertificate(std::string_view address,
                                               const crypto::Digest& expected,
                                               absl::Duration timeout);

inline constexpr int64_t kChunkBytes = 1 << 20;

}  // namespace federity::rpc

#endif  // FEDERITY_COMMON_RPC_CHANNEL_H_
