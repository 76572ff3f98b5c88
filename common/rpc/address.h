#ifndef FEDERITY_COMMON_RPC_ADDRESS_H_
#define FEDERITY_COMMON_RPC_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace federity::rpc {

// "host:port" or "[v6]:port", taken apart. A regular value type.
struct Address {
  std::string host;  // without brackets
  uint16_t port = 0;
  bool is_ip = false;
};

// INVALID_ARGUMENT with the remedy for anything else: a missing port, a host
// with other characters than a-z, A-Z, 0-9, dot and hyphen.
absl::StatusOr<Address> ParseAddress(std::string_view text);

}  // namespace federity::rpc

#endif  // FEDERITY_COMMON_RPC_ADDRESS_H_
