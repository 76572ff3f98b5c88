#include "common/rpc/address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "common/base/errors.h"
#include "common/base/strings.h"

namespace federity::rpc {
namespace {

constexpr size_t kMaxHostBytes = 253;  // RFC 1035

bool IsHostName(std::string_view host) {
  return !host.empty() && host.size() <= kMaxHostBytes && host.front() != '-' &&
         host.front() != '.' && std::all_of(host.begin(), host.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-';
         });
}

bool IsIp(int family, const std::string& host) {
  unsigned char bytes[16];
  return inet_pton(family, host.c_str(), bytes) == 1;
}

}  // namespace

absl::StatusOr<Address> ParseAddress(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return InvalidArgument("address", StrCat("\"", text.substr(0, 300), "\" is not an address: ",
                                             why, "; write HOST:PORT or [IPV6]:PORT"));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return refuse("the port is missing");
  const std::string_view digits = text.substr(colon + 1);
  uint32_t port = 0;
  if (digits.empty() || digits.size() > 5 || digits.front() == '0' ||
      digits.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(ToAbsl(digits), &port) || port > 65535)
    return refuse("the port must be from 1 to 65535");
  std::string_view host = text.substr(0, colon);
  Address address;
  address.port = static_cast<uint16_t>(port);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    address.host = std::string(host.substr(1, host.size() - 2));
    address.is_ip = true;
    if (!IsIp(AF_INET6, address.host)) return refuse("the brackets hold no IPv6 address");
    return address;
  }
  if (!IsHostName(host)) return refuse("the host is no name");
  address.host = std::string(host);
  address.is_ip = IsIp(AF_INET, address.host);
  return address;
}

}  // namespace federity::rpc
