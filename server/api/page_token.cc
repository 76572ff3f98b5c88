#include "server/api/page_token.h"

#include <algorithm>
#include <optional>

#include "common/base/encoding.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/crypto/aead.h"

namespace federity::api {
namespace {

constexpr int kDefaultSize = 50;
constexpr int kMaxSize = 1000;
// No cursor of ours comes near; a longer token is not worth decoding.
constexpr size_t kMaxTokenBytes = 2048;

std::string Label(std::string_view method, std::string_view parent) {
  return StrCat("federity/page/v1\n", method, "\n", parent);
}

absl::Status Invalid() {
  return Error(v1::ERROR_REASON_PAGE_TOKEN_INVALID,
               "The page token is not one that this list gave out; start again without one.");
}

}  // namespace

absl::StatusOr<PageCursor> PageTokens::Read(std::string_view method, std::string_view parent,
                                            int32_t page_size, std::string_view page_token) const {
  if (page_size < 0) {
    return InvalidArgument("page_size", StrCat("must not be negative; it is ", page_size));
  }
  PageCursor page;
  page.size = page_size == 0 ? kDefaultSize : std::min(page_size, kMaxSize);
  if (page_token.empty()) return page;
  if (page_token.size() > kMaxTokenBytes) return Invalid();
  const std::optional<std::string> sealed = Base64UrlDecode(page_token);
  if (!sealed.has_value()) return Invalid();
  absl::StatusOr<crypto::Secret> cursor =
      crypto::UnwrapSecret(key_, Label(method, parent), *sealed);
  if (!cursor.ok()) return Invalid();
  page.cursor = std::string(cursor->view());
  return page;
}

std::string PageTokens::Next(std::string_view method, std::string_view parent,
                             std::string_view cursor) const {
  return Base64UrlEncode(crypto::WrapSecret(key_, Label(method, parent), crypto::Secret(cursor)));
}

}  // namespace federity::api
