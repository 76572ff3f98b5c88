#include "server/statistics/sums_codec.h"

#include <catch2/catch.hpp>

namespace federity::statistics {
namespace {

TEST_CASE("Sums survive the database", "[statistics]") {
  const std::vector<FixedFeatureSums> sums = {
      {"-123456789012345678901234567890", "99999999999999999999", 21}, {"0", "0", 20}};
  const auto read = ParseSums(FormatSums(sums));
  REQUIRE(read.ok());
  REQUIRE(read->size() == 2);
  CHECK((*read)[0].sum == sums[0].sum);
  CHECK((*read)[0].sum_of_squares == sums[0].sum_of_squares);
  CHECK((*read)[0].count == 21);
}

TEST_CASE("Anything else is refused", "[statistics]") {
  for (const char* text : {"", "{}", "[1]", "[[1,2,3]]", "[[\"1\",\"2\"]]", "[[\"1\",\"2\",\"3\"]]",
                           "[[\"1\",\"2\",3.5]]", "[["}) {
    CHECK_FALSE(ParseSums(text).ok());
  }
}

}  // namespace
}  // namespace federity::statistics
