#include "server/membership/certificate_authority.h"

#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "common/crypto/certificates.h"
#include "tests/testing/temp_postgres.h"

namespace federity::membership {
namespace {

absl::StatusOr<std::unique_ptr<CertificateAuthority>> Load(testing::TempPostgres& postgres,
                                                           const crypto::Secret& key) {
  return CertificateAuthority::LoadOrCreate(postgres.database(), key, Clock::System());
}

TEST_CASE("The first start makes the keys, later ones load them", "[membership]") {
  testing::TempPostgres postgres;
  const crypto::Secret key = crypto::RandomSecret(32);
  const auto first = Load(postgres, key);
  REQUIRE(first.ok());
  const auto second = Load(postgres, key);
  REQUIRE(second.ok());
  CHECK((*first)->fingerprint() == (*second)->fingerprint());
  CHECK((*first)->signing_public_key() == (*second)->signing_public_key());
  CHECK((*first)->DeriveKey("a").Equals((*second)->DeriveKey("a").view()));
  CHECK_FALSE((*first)->DeriveKey("a").Equals((*first)->DeriveKey("b").view()));
  CHECK((*first)->DeriveKey("a").size() == 32);
  CHECK(crypto::VerifySignature((*first)->signing_public_key(), "label", "message",
                                (*second)->Sign("label", "message")));
}

TEST_CASE("Replicas that start at once agree on one authority", "[membership]") {
  testing::TempPostgres postgres;
  postgres.database();
  const crypto::Secret key = crypto::RandomSecret(32);
  std::vector<std::string> fingerprints(4);
  std::vector<std::thread> threads;
  for (std::string& fingerprint : fingerprints) {
    threads.emplace_back([&] {
      const auto authority = Load(postgres, key);
      if (authority.ok()) fingerprint = (*authority)->fingerprint().Hex();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(std::set<std::string>(fingerprints.begin(), fingerprints.end()).size() == 1);
  CHECK_FALSE(fingerprints[0].empty());
}

TEST_CASE("Another key file is refused with the remedy", "[membership]") {
  testing::TempPostgres postgres;
  REQUIRE(Load(postgres, crypto::RandomSecret(32)).ok());
  const auto refused = Load(postgres, crypto::RandomSecret(32));
  CHECK(absl::IsFailedPrecondition(refused.status()));
  CHECK(refused.status().ToString().find("key file") != std::string::npos);
}

TEST_CASE("Rotation wraps the same keys under a new key file", "[membership]") {
  testing::TempPostgres postgres;
  const crypto::Secret old_key = crypto::RandomSecret(32), new_key = crypto::RandomSecret(32);
  const std::string before = (*Load(postgres, old_key))->fingerprint().Hex();
  const auto rewrap = [&](const crypto::Secret& from, const crypto::Secret& to) {
    return postgres.database().RunInTransaction([&](store::Transaction& transaction) {
      return RewrapCoordinatorKeys(transaction, from, to);
    });
  };
  CHECK(absl::IsFailedPrecondition(rewrap(new_key, old_key)));
  REQUIRE(rewrap(old_key, new_key).ok());
  CHECK((*Load(postgres, new_key))->fingerprint().Hex() == before);
  CHECK(absl::IsFailedPrecondition(Load(postgres, old_key).status()));
}

TEST_CASE("Certificates say whom, for whom and how long", "[membership]") {
  testing::TempPostgres postgres;
  const auto authority = *Load(postgres, crypto::RandomSecret(32));
  const absl::Time now = absl::FromUnixSeconds(1800000000);
  const auto key = *crypto::GenerateTlsKey();
  const std::string id = crypto::RandomUuid();
  for (const auto& [kind, life] : {std::pair(v1::MEMBER_KIND_PERSON, absl::Hours(24 * 30)),
                                   std::pair(v1::MEMBER_KIND_AGENT, absl::Hours(24 * 7))}) {
    const auto issued = authority->IssueMember(id, kind, key.request_der, now);
    REQUIRE(issued.ok());
    const auto info = crypto::ParseCertificate(issued->chain_pem);
    REQUIRE(info.ok());
    CHECK(info->uris == std::vector<std::string>{"federity:member:" + id});
    CHECK(info->dns_names.empty());
    CHECK(info->not_before == now - kClockSkew);
    CHECK(info->not_after == now + life);
    CHECK(issued->renew_time == now + life / 2);
  }
  const auto server =
      authority->IssueServer({"coordinator.example", "10.0.0.1", "::1", "localhost"}, now);
  REQUIRE(server.ok());
  const auto info = crypto::ParseCertificate(server->chain_pem);
  REQUIRE(info.ok());
  CHECK(info->dns_names == std::vector<std::string>{"coordinator.example", "localhost"});
  CHECK(info->ip_addresses.size() == 2);
  CHECK(info->uris.empty());
  CHECK(absl::IsInvalidArgument(authority->IssueServer({}, now).status()));
}

}  // namespace
}  // namespace federity::membership
