#include "client/identity/choose.h"

#include <catch2/catch.hpp>

namespace federity::identity {
namespace {

Identity Make(const std::string& id, const std::string& scope, v1::Role role,
              const std::string& ca = "ca1") {
  Identity identity;
  identity.id = id;
  identity.scope = scope;
  identity.role = role;
  identity.ca_fingerprint = ca;
  identity.address = ca + ":8443";
  return identity;
}

const std::string kHeart = "organizations/st-mary/repositories/heart";
const std::string kMary = "organizations/st-mary";

TEST_CASE("A repository's own membership speaks for it", "[identity]") {
  const std::vector<Identity> all = {
      Make("a", kHeart, v1::ROLE_CONTRIBUTOR),
      Make("b", "organizations/st-mary/repositories/lung", v1::ROLE_OWNER)};
  CHECK(ChooseIdentity(all, kHeart, true)->id == "a");
}

TEST_CASE("Otherwise that of the organisation, or whichever has more rights", "[identity]") {
  std::vector<Identity> all = {Make("org", kMary, v1::ROLE_OWNER)};
  CHECK(ChooseIdentity(all, kHeart, true)->id == "org");
  CHECK(absl::IsNotFound(ChooseIdentity(all, kHeart, false).status()));
  all.push_back(Make("viewer", kHeart, v1::ROLE_VIEWER));
  CHECK(ChooseIdentity(all, kHeart, true)->id == "org");
  all.push_back(Make("owner", kHeart, v1::ROLE_OWNER));
  CHECK(ChooseIdentity(all, kHeart, true)->id == "owner");
}

TEST_CASE("An organisation is not the one that its name begins", "[identity]") {
  const std::vector<Identity> all = {Make("a", "organizations/st", v1::ROLE_OWNER),
                                     Make("server", "", v1::ROLE_ADMINISTRATOR)};
  const auto found = ChooseIdentity(all, kHeart, true);
  CHECK(absl::IsNotFound(found.status()));
  CHECK(found.status().message().find("st-mary/heart") != absl::string_view::npos);
  CHECK(found.status().message().find("st, the coordinator") != absl::string_view::npos);
  CHECK(ChooseIdentity(all, "", false)->id == "server");
}

TEST_CASE("Two coordinators with one name are named", "[identity]") {
  const std::vector<Identity> all = {Make("a", kHeart, v1::ROLE_OWNER, "ca1"),
                                     Make("b", kHeart, v1::ROLE_OWNER, "ca2")};
  const auto found = ChooseIdentity(all, kHeart, true);
  CHECK(absl::IsFailedPrecondition(found.status()));
  CHECK(found.status().message().find("ca1:8443") != absl::string_view::npos);
  CHECK(found.status().message().find("ca2:8443") != absl::string_view::npos);
}

TEST_CASE("Scopes as people write them", "[identity]") {
  CHECK(ShortScope("") == "the coordinator");
  CHECK(ShortScope(kMary) == "st-mary");
  CHECK(ShortScope(kHeart) == "st-mary/heart");
}

}  // namespace
}  // namespace federity::identity
