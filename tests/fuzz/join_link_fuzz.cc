#include "common/rpc/address.h"
#include "common/rpc/join_link.h"
#include "tests/fuzz/fuzz_target.h"

namespace federity::rpc {

FUZZ_TARGET(join_link) {
  if (const auto address = ParseAddress(input); address.ok())
    FUZZ_CHECK(address->port != 0 && !address->host.empty() && address->host.size() <= 253);
  const auto link = ParseJoinLink(input);
  if (!link.ok()) return;
  FUZZ_CHECK(link->secret.size() == kJoinSecretSize);
  FUZZ_CHECK(ParseAddress(link->address).ok());
  const std::string text = FormatJoinLink(*link);
  FUZZ_CHECK(input.find(text) != std::string_view::npos);  // one spelling
  const auto again = ParseJoinLink(text);
  FUZZ_CHECK(again.ok() && FormatJoinLink(*again) == text);
}

}  // namespace federity::rpc
