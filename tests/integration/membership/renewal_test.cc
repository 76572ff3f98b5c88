#include <catch2/catch.hpp>

#include "server/membership/certificate_authority.h"
#include "tests/integration/membership/membership_client.h"

namespace federity::testing {
namespace {

absl::StatusOr<v1::RenewCertificateResponse> Send(ApiFixture& api,
                                                  const v1::RenewCertificateRequest& request) {
  v1::RenewCertificateResponse response;
  const absl::Status status =
      Call(*Membership(api.AnonymousChannel()), &v1::MembershipService::Stub::RenewCertificate,
           request, &response);
  if (!status.ok()) return status;
  return response;
}

std::string Nonce(ApiFixture& api, const std::string& name) {
  v1::RenewCertificateRequest request;
  request.set_name(name);
  return Send(api, request)->nonce();
}

v1::RenewCertificateRequest Signed(const std::string& name, const std::string& nonce,
                                   const crypto::SigningKey& key,
                                   const std::string& certificate_request) {
  v1::RenewCertificateRequest request;
  request.set_name(name);
  request.set_nonce(nonce);
  request.set_certificate_request(certificate_request);
  request.set_version("0.2.0");
  request.set_signature(key.Sign(
      "federity/renew/v1",
      StrCat(nonce, crypto::Sha256(name).view(), crypto::Sha256(certificate_request).view())));
  return request;
}

struct Fixture {
  Fixture() {
    api.MakeRepository("st-mary", "heart");
    agent.emplace(api.MakeMember("st-mary", "heart", v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT));
  }
  ApiFixture api;
  std::optional<ApiFixture::Member> agent;
  crypto::TlsKeyAndRequest tls = *crypto::GenerateTlsKey();
};

TEST_CASE_METHOD(Fixture, "An expired certificate is renewed without one", "[membership]") {
  const crypto::TlsKeyAndRequest old = *crypto::GenerateTlsKey();
  const auto expired = api.authority().IssueMember(agent->id, agent->kind, old.request_der,
                                                   absl::Now() - absl::Hours(24 * 365));
  REQUIRE(expired.ok());
  const absl::Status refused =
      GetCaller(api.MakeChannel(expired->chain_pem, old.private_key_pem)).status();
  CHECK(absl::IsUnavailable(refused));  // the handshake fails

  const auto renewed =
      Send(api, Signed(agent->name, Nonce(api, agent->name), agent->key, tls.request_der));
  REQUIRE(renewed.ok());
  const auto caller = GetCaller(api.MakeChannel(renewed->certificate_chain(), tls.private_key_pem));
  REQUIRE(caller.ok());
  CHECK(caller->name() == agent->name);
  CHECK(caller->version() == "0.2.0");
  CHECK(renewed->renew_time().seconds() ==
        absl::ToUnixSeconds(api.clock().Now() + absl::Hours(84)));
}

TEST_CASE_METHOD(Fixture, "A nonce is 32 bytes, for one use and five minutes", "[membership]") {
  const std::string nonce = Nonce(api, agent->name);
  CHECK(nonce.size() == 32);
  CHECK(Nonce(api, agent->name) != nonce);
  const auto request = Signed(agent->name, nonce, agent->key, tls.request_der);
  REQUIRE(Send(api, request).ok());
  CHECK(Reason(Send(api, request)) == v1::ERROR_REASON_NONCE_INVALID);

  const std::string late = Nonce(api, agent->name);
  api.clock().Advance(absl::Minutes(5) + absl::Seconds(1));
  CHECK(Reason(Send(api, Signed(agent->name, late, agent->key, tls.request_der))) ==
        v1::ERROR_REASON_NONCE_INVALID);
}

TEST_CASE_METHOD(Fixture, "Nonces that were not given to this member are refused", "[membership]") {
  const auto other =
      api.MakeMember("st-mary", "heart", v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT);
  const std::string nonce = Nonce(api, agent->name);
  std::string changed = nonce;
  changed[31] ^= 1;
  for (const std::string& bad : {Nonce(api, other.name), changed, std::string(32, 'x'),
                                 nonce.substr(1), nonce + "x", std::string(1 << 16, 'x')}) {
    CHECK(Reason(Send(api, Signed(agent->name, bad, agent->key, tls.request_der))) ==
          v1::ERROR_REASON_NONCE_INVALID);
  }
}

TEST_CASE_METHOD(Fixture, "Only the member's own key renews", "[membership]") {
  const std::string nonce = Nonce(api, agent->name);
  CHECK(Reason(Send(api, Signed(agent->name, nonce, crypto::SigningKey::Generate(),
                                tls.request_der))) == v1::ERROR_REASON_SIGNATURE_INVALID);
  // Another request than the one that was signed.
  auto swapped = Signed(agent->name, nonce, agent->key, tls.request_der);
  swapped.set_certificate_request(crypto::GenerateTlsKey()->request_der);
  CHECK(Reason(Send(api, swapped)) == v1::ERROR_REASON_SIGNATURE_INVALID);
  // A signature of the same bytes for another purpose.
  auto other = Signed(agent->name, nonce, agent->key, tls.request_der);
  other.set_signature(agent->key.Sign("federity/join/v1", "x"));
  CHECK(Reason(Send(api, other)) == v1::ERROR_REASON_SIGNATURE_INVALID);
  // A refused attempt does not spend the nonce.
  CHECK(Send(api, Signed(agent->name, nonce, agent->key, tls.request_der)).ok());
}

TEST_CASE_METHOD(Fixture, "Members that never were look like those whose key is another",
                 "[membership]") {
  for (const std::string& name :
       {StrCat("organizations/st-mary/repositories/heart/members/", crypto::RandomUuid()),
        StrCat("organizations/st-mary/members/", agent->id), StrCat("members/", agent->id),
        std::string("members/x"), std::string("nonsense"), std::string("members/'; --")}) {
    INFO(name);
    CHECK(Reason(Send(api, Signed(name, Nonce(api, name), agent->key, tls.request_der))) ==
          v1::ERROR_REASON_SIGNATURE_INVALID);
  }
}

TEST_CASE_METHOD(Fixture, "A removed member gets no certificate", "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  REQUIRE(Remove(owner.channel, agent->name).ok());
  CHECK(Reason(Send(api, Signed(agent->name, Nonce(api, agent->name), agent->key,
                                tls.request_der))) == v1::ERROR_REASON_MEMBER_REMOVED);
}

TEST_CASE_METHOD(Fixture, "A bad certificate request is named", "[membership]") {
  CHECK(Reason(Send(api, Signed(agent->name, Nonce(api, agent->name), agent->key, "garbage"))) ==
        v1::ERROR_REASON_CERTIFICATE_REQUEST_INVALID);
}

TEST_CASE_METHOD(Fixture, "Asking for nonces writes nothing", "[membership]") {
  for (int i = 0; i < 20; ++i) Nonce(api, agent->name);
  CHECK(api.Sql("SELECT count(*) FROM renewal_nonces")[0].Int(0) == 0);
}

}  // namespace
}  // namespace federity::testing
