#include "client/identity/addresses.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "common/base/strings.h"

namespace federity::identity {
namespace {

using List = std::vector<std::string>;

TEST_CASE("What was known keeps its order, what is named no more goes", "[identity]") {
  std::mt19937_64 random(1);
  CHECK(MergeAddresses({"c:1", "a:1", "b:1"}, {"a:1", "c:1"}, "a:1", random) == List{"c:1", "a:1"});
  CHECK(MergeAddresses({"a:1"}, {"b:1"}, "a:1", random) == List{"b:1", "a:1"});
  // The link's is the last resort and comes back once it is named.
  CHECK(MergeAddresses({"b:1", "a:1"}, {"b:1"}, "a:1", random) == List{"b:1", "a:1"});
  CHECK(MergeAddresses({"b:1", "a:1"}, {}, "a:1", random) == List{"b:1", "a:1"});
}

TEST_CASE("Members spread over new addresses", "[identity]") {
  std::mt19937_64 random(1);
  std::set<std::string> first;
  for (int i = 0; i < 200; ++i) {
    List merged = MergeAddresses({"a:1"}, {"a:1", "b:1", "c:1"}, "a:1", random);
    first.insert(merged.front());
    std::sort(merged.begin(), merged.end());
    CHECK(merged == List{"a:1", "b:1", "c:1"});
  }
  CHECK(first.size() == 3);
}

TEST_CASE("What is no address, or too much, is left out", "[identity]") {
  std::mt19937_64 random(1);
  CHECK(MergeAddresses({"a:1"}, {"", "b", "b:0", "https://b:1", "a:1", "a:1"}, "a:1", random) ==
        List{"a:1"});
  List many;
  for (int i = 1; i <= 1000; ++i) many.push_back(StrCat("host-", i, ":1"));
  const List merged = MergeAddresses({"a:1"}, many, "a:1", random);
  CHECK(merged.size() == kMaxAddresses);
  CHECK(merged.back() == "a:1");
}

}  // namespace
}  // namespace federity::identity
