#include "common/base/encoding.h"
#include "server/api/page_token.h"
#include "server/membership/cursor.h"
#include "tests/fuzz/fuzz_target.h"

namespace federity::api {

FUZZ_TARGET(page_token) {
  static const PageTokens kTokens{crypto::Secret(std::string(32, 'k'))};
  // Nobody makes one up.
  FUZZ_CHECK(kTokens.Read("m", "p", 0, input).ok() == input.empty());
  FUZZ_CHECK(input.empty() || !kTokens.Read("m", "p", 0, Base64UrlEncode(input)).ok());

  if (input.size() <= 1024) {
    const std::string token = kTokens.Next("m", "p", input);
    const auto page = kTokens.Read("m", "p", 7, token);
    FUZZ_CHECK(page.ok() && page->cursor == input && page->size == 7);
    FUZZ_CHECK(!kTokens.Read("m", "q", 7, token).ok());
    FUZZ_CHECK(!kTokens.Read("n", "p", 7, token).ok());
  }
  if (const auto cursor = membership::ParseCursor(input); cursor.ok()) {
    const auto again = membership::ParseCursor(membership::FormatCursor(*cursor));
    FUZZ_CHECK(again.ok() && again->created_at == cursor->created_at && again->id == cursor->id);
  }
}

}  // namespace federity::api
