#ifndef FEDERITY_COMMON_RPC_JOIN_LINK_H_
#define FEDERITY_COMMON_RPC_JOIN_LINK_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/crypto/digest.h"
#include "federity/v1/membership.pb.h"

namespace federity::rpc {

// federity://HOST:PORT/j1/<base64url of kind (1 byte) ‖ CA SHA-256 (32) ‖
// secret (16, 128 bits of entropy)>
struct JoinLink {
  std::string address;  // "host:port", "[v6]:port"
  v1::MemberKind kind = v1::MEMBER_KIND_PERSON;
  crypto::Digest ca_fingerprint;
  std::string secret;
};

inline constexpr size_t kJoinSecretSize = 16;

std::string FormatJoinLink(const JoinLink& link);
// INVALID_ARGUMENT that says which part is wrong; spaces around are ignored.
absl::StatusOr<JoinLink> ParseJoinLink(std::string_view text);

}  // namespace federity::rpc

#endif  // FEDERITY_COMMON_RPC_JOIN_LINK_H_
