#ifndef FEDERITY_COMMON_RPC_PROBE_H_
#define FEDERITY_COMMON_RPC_PROBE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/files.h"
#include "common/rpc/address.h"

namespace federity::rpc {

// The way to a coordinator, one step at a time, so that a diagnosis can say which
// one fails. Nothing here trusts what it finds. UNAVAILABLE says why a step
// fails, DEADLINE_EXCEEDED that nobody answered; only name resolution can take
// longer than the deadline.

// The addresses of a host, as text.
absl::StatusOr<std::vector<std::string>> ResolveHost(const Address& address);

// A connected, non-blocking socket to the first of the host's addresses that
// answers. They share the time: one that stays silent leaves some to the next.
absl::StatusOr<FileDescriptor> ConnectTcp(const Address& address, absl::Time deadline);
// The same over several hosts, in order.
absl::StatusOr<FileDescriptor> ConnectAny(const std::vector<Address>& addresses,
                                          absl::Time deadline);

struct TlsPeer {
  std::string version;                 // "TLSv1.3"
  std::vector<std::string> chain_pem;  // as the server sent it, its own first
  // Why the chain does not end in `ca_pem`, or does not name the host; empty if
  // it is good (or `ca_pem` was empty).
  std::string fault;
};
// TLS 1.2 or later over a socket of ConnectTcp.
absl::StatusOr<TlsPeer> ShakeHands(const FileDescriptor& socket, const Address& address,
                                   std::string_view ca_pem, absl::Time deadline);

}  // namespace federity::rpc

#endif  // FEDERITY_COMMON_RPC_PROBE_H_
