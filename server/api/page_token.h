#ifndef FEDERITY_SERVER_API_PAGE_TOKEN_H_
#define FEDERITY_SERVER_API_PAGE_TOKEN_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/crypto/secret.h"

namespace federity::api {

// Where a page begins: its size and the cursor that the method itself put into
// the previous page's token (empty: the first page).
struct PageCursor {
  int size = 50;
  std::string cursor;
};

// Page tokens are sealed (AES-256-GCM) and bound to method and parent, so that
// a cursor can be anything (a row's key, a number) and nobody can make one up.
// Thread-safe.
class PageTokens {
 public:
  explicit PageTokens(crypto::Secret key) : key_(std::move(key)) {}

  // Reads a request's page_size (default 50, at most 1000) and page_token.
  // INVALID_ARGUMENT for a negative size, PAGE_TOKEN_INVALID for a token that
  // Next() did not give for the same method and parent.
  absl::StatusOr<PageCursor> Read(std::string_view method, std::string_view parent,
                                  int32_t page_size, std::string_view page_token) const;

  // The token of the page that begins after `cursor`.
  std::string Next(std::string_view method, std::string_view parent, std::string_view cursor) const;

 private:
  crypto::Secret key_;
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_PAGE_TOKEN_H_
