#include "common/contribution/contribution_statement.h"

#include <catch2/catch.hpp>
#include <set>

#include "common/base/encoding.h"

namespace federity::contribution {
namespace {

crypto::Digest Filled(uint8_t value) {
  crypto::Digest digest;
  digest.bytes.fill(value);
  return digest;
}

TEST_CASE("The statement has the layout of docs/formats/delta.md", "[contribution]") {
  const std::string statement =
      BuildContributionStatement("name", Filled(1), Filled(2), Filled(3), 258);
  CHECK(statement.size() == 4 + 3 * 32 + 8);
  CHECK(HexEncode(statement) == HexEncode("name") + HexEncode(std::string(32, '\x01')) +
                                    HexEncode(std::string(32, '\x02')) +
                                    HexEncode(std::string(32, '\x03')) + "0000000000000102");
}

TEST_CASE("Every part of the statement changes it", "[contribution]") {
  const std::set<std::string> statements = {
      BuildContributionStatement("a", Filled(1), Filled(2), Filled(3), 1),
      BuildContributionStatement("b", Filled(1), Filled(2), Filled(3), 1),
      BuildContributionStatement("a", Filled(9), Filled(2), Filled(3), 1),
      BuildContributionStatement("a", Filled(1), Filled(9), Filled(3), 1),
      BuildContributionStatement("a", Filled(1), Filled(2), Filled(9), 1),
      BuildContributionStatement("a", Filled(1), Filled(2), Filled(3), 2),
  };
  CHECK(statements.size() == 6);
}

}  // namespace
}  // namespace federity::contribution
