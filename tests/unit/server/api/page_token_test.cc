#include "server/api/page_token.h"

#include <catch2/catch.hpp>

#include "common/base/errors.h"

namespace federity::api {
namespace {

TEST_CASE("Page tokens give back their cursor", "[api]") {
  const PageTokens tokens(crypto::RandomSecret(32));
  const std::string token = tokens.Next("/a/B", "organizations/o", "row 7");
  const auto page = tokens.Read("/a/B", "organizations/o", 10, token);
  REQUIRE(page.ok());
  CHECK(page->cursor == "row 7");
  CHECK(page->size == 10);
}

TEST_CASE("Page sizes have a default and a limit", "[api]") {
  const PageTokens tokens(crypto::RandomSecret(32));
  CHECK(tokens.Read("/a/B", "p", 0, "")->size == 50);
  CHECK(tokens.Read("/a/B", "p", 2000000000, "")->size == 1000);
  CHECK(tokens.Read("/a/B", "p", 0, "")->cursor.empty());
  CHECK(ReasonOf(tokens.Read("/a/B", "p", -1, "").status()) == v1::ERROR_REASON_INVALID_ARGUMENT);
}

TEST_CASE("Page tokens of another method, parent or coordinator are refused", "[api]") {
  const PageTokens tokens(crypto::RandomSecret(32));
  const std::string token = tokens.Next("/a/B", "p", "7");
  const auto refused = [](const absl::StatusOr<PageCursor>& page) {
    return ReasonOf(page.status()) == v1::ERROR_REASON_PAGE_TOKEN_INVALID;
  };
  CHECK(refused(tokens.Read("/a/C", "p", 0, token)));
  CHECK(refused(tokens.Read("/a/B", "q", 0, token)));
  // Method and parent can't run into each other.
  CHECK(refused(tokens.Read("/a/B\np", "", 0, token)));
  CHECK(refused(PageTokens(crypto::RandomSecret(32)).Read("/a/B", "p", 0, token)));
}

TEST_CASE("Forged page tokens are refused", "[api]") {
  const PageTokens tokens(crypto::RandomSecret(32));
  const std::string token = tokens.Next("/a/B", "p", "7");
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    INFO(i);
    CHECK(ReasonOf(tokens.Read("/a/B", "p", 0, changed).status()) ==
          v1::ERROR_REASON_PAGE_TOKEN_INVALID);
  }
  for (const std::string& bad :
       {std::string("x"), std::string("AAAA"), token + "A", token.substr(1),
        std::string(1 << 20, 'A'), std::string("\0", 1)}) {
    CHECK(ReasonOf(tokens.Read("/a/B", "p", 0, bad).status()) ==
          v1::ERROR_REASON_PAGE_TOKEN_INVALID);
  }
}

}  // namespace
}  // namespace federity::api
