#include "common/base/resource_name.h"

#include <catch2/catch.hpp>

#include "common/base/errors.h"

namespace federity {
namespace {

TEST_CASE("Identifiers", "[base]") {
  for (const std::string good : {"a", "0", "st-mary"}) CHECK(IsIdentifier(good));
  CHECK(IsIdentifier(std::string(63, 'x')));
  CHECK_FALSE(IsIdentifier(std::string(64, 'x')));
  for (const std::string bad : {"", "-a", "a-", "A", "a_b", "a.b", "ä", "a/b", "a b"})
    CHECK_FALSE(IsIdentifier(bad));
}

TEST_CASE("Display names become identifiers", "[base]") {
  CHECK(IdentifierFromDisplayName("St. Luke's") == "st-luke-s");
  CHECK(IdentifierFromDisplayName("  Klinikum  Süd ") == "klinikum-sued");
  CHECK(IdentifierFromDisplayName("SÖD – Großklinik") == "soed-grossklinik");
  CHECK(IdentifierFromDisplayName("Hôpital de l’Étoile") == "hopital-de-l-etoile");
  CHECK(IdentifierFromDisplayName("Łódź") == "141od17a");  // ó is Latin-1
  CHECK(IdentifierFromDisplayName("北京") == "53174eac");
  CHECK(IdentifierFromDisplayName("a\xff" "b") == "a-b");
  CHECK(IdentifierFromDisplayName("!?") == "");
  // Two long names stay two, and are no identifiers.
  const std::string first = IdentifierFromDisplayName(std::string(62, 'a') + " " + "north");
  const std::string second = IdentifierFromDisplayName(std::string(62, 'a') + " " + "south");
  CHECK(first != second);
  CHECK_FALSE(IsIdentifier(first));
}

TEST_CASE("Resource names go there and back", "[base]") {
  for (const std::string name :
       {"organizations/st-mary", "organizations/st-mary/repositories/heart",
        "organizations/st-mary/members/m1", "organizations/o/repositories/r/commits/head",
        "organizations/o/repositories/r/commits/v1.2_x",
        "organizations/o/repositories/r/rounds/3/contributions/c-1", "members/m",
        "auditEvents/7"}) {
    INFO(name);
    const auto parsed = ParseResourceName(name);
    REQUIRE(parsed.ok());
    CHECK(FormatResourceName(*parsed) == name);
  }
  const auto parsed = ParseResourceName("organizations/o/repositories/r/rounds/3/contributions/c");
  REQUIRE(parsed.ok());
  CHECK(parsed->repository_name() == "organizations/o/repositories/r");
  CHECK(parsed->organization_name() == "organizations/o");
  CHECK(parsed->short_name() == "o/r");
  CHECK(parsed->collection == "rounds");
  CHECK(parsed->id == "3");
  CHECK(parsed->subcollection == "contributions");
  CHECK(parsed->subid == "c");
}

TEST_CASE("What is no resource name is refused", "[base]") {
  for (const std::string bad : {"",
                                "/",
                                "organizations",
                                "organizations/",
                                "organizations/O",
                                "organizations/o/",
                                "/organizations/o",
                                "organizations//o",
                                "organizations/o/repositories",
                                "organizations/o/repositories/R",
                                "organizations/o/repositories/r/rounds",
                                "organizations/o/repositories/r/rounds/",
                                "organizations/o/repositories/r/rounds/..",
                                "organizations/o/repositories/r/rounds/.",
                                "organizations/o/repositories/r/rounds/a b",
                                "organizations/o/repositories/r/a/b/c/d/e/f",
                                "members/m/organizations/o",
                                "organizations/o/members/m/repositories/r",
                                "repositories/r",
                                "organizations/o/repositories/r/rounds/3\n"}) {
    INFO(bad);
    const auto parsed = ParseResourceName(bad);
    CHECK(ReasonOf(parsed.status()) == v1::ERROR_REASON_INVALID_ARGUMENT);
  }
  CHECK_FALSE(ParseResourceName("members/" + std::string(129, 'a')).ok());
  CHECK_FALSE(ParseResourceName("members/" + std::string(1 << 20, 'a')).ok());
  CHECK_FALSE(ParseResourceName(std::string("members/a\0b", 11)).ok());
}

TEST_CASE("Short names and commit references", "[base]") {
  CHECK(*RepositoryNameFromShort("o/r") == "organizations/o/repositories/r");
  for (const std::string bad : {"", "o", "o/", "/r", "o/r/x", "O/r", "o/r@head"})
    CHECK_FALSE(RepositoryNameFromShort(bad).ok());
  CHECK(ParseCommitReference("o/r")->commit == "head");
  CHECK(ParseCommitReference("o/r@v3")->commit == "v3");
  CHECK(ParseCommitReference("o/r@v3")->repository_name == "organizations/o/repositories/r");
  for (const std::string bad : {"o@v3", "o/r@", "o/r@a@b", "o/r@a/b", "o/r@.."})
    CHECK_FALSE(ParseCommitReference(bad).ok());
}

}  // namespace
}  // namespace federity
