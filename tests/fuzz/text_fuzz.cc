#include "common/base/encoding.h"
#include "common/base/utf8.h"
#include "common/config/strict_toml.h"
#include "tests/fuzz/fuzz_target.h"

namespace federity {
namespace {

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    FUZZ_CHECK(point.size >= 1 && point.size <= text.size());
    if (!point.valid) return false;
    (void)IsControl(point.value);
    text.remove_prefix(point.size);
  }
  return true;
}

}  // namespace

FUZZ_TARGET(text) {
  if (const auto bytes = HexDecode(input)) FUZZ_CHECK(HexEncode(*bytes) == input);
  FUZZ_CHECK(HexDecode(HexEncode(input)) == input);
  if (const auto bytes = Base64UrlDecode(input)) FUZZ_CHECK(Base64UrlEncode(*bytes) == input);
  FUZZ_CHECK(Base64UrlDecode(Base64UrlEncode(input)) == input);

  for (const size_t limit : {size_t{0}, size_t{5}, input.size()}) {
    const std::string valid = ToValidUtf8(input, limit);
    FUZZ_CHECK(valid.size() <= limit && IsUtf8(valid));
  }
  // The two decoders of UTF-8 agree.
  FUZZ_CHECK(IsUtf8(input) == (ToValidUtf8(input, input.size()) == input));

  if (const auto duration = config::ParseDuration(input); duration.ok()) {
    const auto again = config::ParseDuration(config::FormatDuration(*duration));
    FUZZ_CHECK(again.ok() && *again == *duration);
  }
}

}  // namespace federity
