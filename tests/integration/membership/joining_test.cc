#include <atomic>
#include <catch2/catch.hpp>
#include <set>
#include <thread>
#include <vector>

#include "server/membership/invitations.h"
#include "tests/integration/membership/membership_client.h"

namespace federity::testing {
namespace {

constexpr char kHeart[] = "organizations/st-mary/repositories/heart";

struct Fixture {
  Fixture() {
    api.MakeRepository("st-mary", "heart");
    owner.emplace(api.MakeOwner("st-mary"));
  }
  std::string Link(v1::Role role, v1::MemberKind kind = v1::MEMBER_KIND_PERSON, int count = 1) {
    v1::CreateInvitationRequest request = InvitationFor(kHeart, role, kind);
    request.set_organization_display_name("St. Luke");
    request.set_count(count);
    return Invite(*owner, request)->link();
  }
  int64_t Members() {
    return api.Sql("SELECT count(*) FROM members WHERE organization = 'st-luke'")[0].Int(0);
  }
  ApiFixture api;
  std::optional<ApiFixture::Member> owner;
};

TEST_CASE_METHOD(Fixture, "A link makes a member whose certificate works", "[membership]") {
  const Joiner joiner;
  const auto joined =
      Join(api, Link(v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT), joiner, v1::MEMBER_KIND_AGENT);
  REQUIRE(joined.ok());
  CHECK(joined->member().role() == v1::ROLE_CONTRIBUTOR);
  CHECK(joined->member().kind() == v1::MEMBER_KIND_AGENT);
  CHECK(joined->member().organization() == "st-luke");
  CHECK(joined->member().organization_display_name() == "St. Luke");
  CHECK(joined->member().approval() == v1::APPROVAL_STATE_NONE);
  CHECK(joined->member().contribution_key() == joiner.key.public_key());
  CHECK(joined->coordinator_key() == api.authority().signing_public_key());

  const auto caller =
      GetCaller(api.MakeChannel(joined->certificate_chain(), joiner.tls.private_key_pem));
  REQUIRE(caller.ok());
  CHECK(caller->name() == joined->member().name());

  const auto blocks = crypto::SplitPemChain(joined->certificate_chain());
  REQUIRE(blocks.size() == 2);
  CHECK(blocks[1] == crypto::SplitPemChain(api.authority().certificate_pem())[0]);
  const auto info = crypto::ParseCertificate(blocks[0]);
  REQUIRE(info.ok());
  CHECK(info->not_after - api.clock().Now() < absl::Hours(24 * 7 + 1));
  CHECK(info->not_after - api.clock().Now() > absl::Hours(24 * 7 - 1));
}

TEST_CASE_METHOD(Fixture, "The database holds no secret of a link", "[membership]") {
  const std::string link = Link(v1::ROLE_VIEWER);
  const std::string secret = rpc::ParseJoinLink(link)->secret;
  for (const char* table : {"invitations", "requests", "audit_events"}) {
    INFO(table);
    // As bytes, and as the link has it.
    const store::Rows rows = api.Sql(
        StrCat("SELECT count(*), count(*) FILTER (WHERE position(encode($1, 'hex') in t::text) > 0 "
               "OR position(encode($2::text::bytea, 'hex') in t::text) > 0 "
               "OR position($2 in t::text) > 0) FROM ",
               table, " t"),
        store::Params().Bytes(secret).Text(link.substr(link.rfind('/') + 1)));
    CHECK(rows[0].Int(0) > 0);
    CHECK(rows[0].Int(1) == 0);
  }
}

TEST_CASE_METHOD(Fixture, "A repeated join with the same key gives the same member for 10 minutes",
                 "[membership]") {
  const std::string link = Link(v1::ROLE_VIEWER);
  const Joiner joiner;
  const auto first = Join(api, link, joiner);
  REQUIRE(first.ok());
  api.clock().Advance(absl::Minutes(4));  // certificates begin 5 minutes early
  Joiner again{.key = *crypto::SigningKey::FromSeed(joiner.key.seed())};
  const auto second = Join(api, link, again);
  REQUIRE(second.ok());
  CHECK(second->member().name() == first->member().name());
  CHECK(GetCaller(api.MakeChannel(second->certificate_chain(), again.tls.private_key_pem)).ok());
  CHECK(Members() == 1);
  api.clock().Advance(absl::Minutes(5));
  CHECK(Join(api, link, again).ok());
  api.clock().Advance(absl::Minutes(2));
  CHECK(Reason(Join(api, link, again)) == v1::ERROR_REASON_ALREADY_EXISTS);
  CHECK(Reason(Join(api, link, Joiner())) == v1::ERROR_REASON_INVITATION_USED);
  CHECK(Members() == 1);
}

TEST_CASE_METHOD(Fixture, "A repeated join does not bring a removed member back", "[membership]") {
  const std::string link = Link(v1::ROLE_VIEWER);
  const Joiner joiner;
  const auto joined = Join(api, link, joiner);
  REQUIRE(joined.ok());
  REQUIRE(Remove(owner->channel, joined->member().name()).ok());
  CHECK(Reason(Join(api, link, joiner)) == v1::ERROR_REASON_MEMBER_REMOVED);
}

TEST_CASE_METHOD(Fixture, "The wrong program is refused before it redeems", "[membership]") {
  const std::string link = Link(v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT);
  const auto wrong = Join(api, link, Joiner(), v1::MEMBER_KIND_PERSON);
  CHECK(Reason(wrong) == v1::ERROR_REASON_INVITATION_KIND_MISMATCH);
  CHECK(MetadataOf(wrong.status())["kind"] == "agent");
  CHECK(Join(api, link, Joiner(), v1::MEMBER_KIND_AGENT).ok());
}

TEST_CASE_METHOD(Fixture, "Expired, used and revoked links are told apart", "[membership]") {
  const std::string expired = Link(v1::ROLE_VIEWER);
  api.clock().Advance(absl::Hours(24 * 7) + absl::Seconds(1));
  CHECK(Reason(Join(api, expired, Joiner())) == v1::ERROR_REASON_INVITATION_EXPIRED);

  const std::string used = Link(v1::ROLE_VIEWER);
  REQUIRE(Join(api, used, Joiner()).ok());
  CHECK(Reason(Join(api, used, Joiner())) == v1::ERROR_REASON_INVITATION_USED);

  const auto invited = Invite(*owner, InvitationFor(kHeart, v1::ROLE_VIEWER));
  REQUIRE(invited.ok());
  v1::RevokeInvitationRequest revoke;
  revoke.set_name(invited->invitation().name());
  revoke.set_request_id(NewRequestId());
  v1::Invitation revoked;
  REQUIRE(Call(*Membership(owner->channel), &v1::MembershipService::Stub::RevokeInvitation, revoke,
               &revoked)
              .ok());
  CHECK(revoked.revoked());
  CHECK(Reason(Join(api, invited->link(), Joiner())) == v1::ERROR_REASON_INVITATION_REVOKED);
}

TEST_CASE_METHOD(Fixture, "A link into a deleted repository is revoked", "[membership]") {
  const std::string link = Link(v1::ROLE_VIEWER);
  api.Sql("UPDATE repositories SET deleted_at = now()");
  CHECK(Reason(Join(api, link, Joiner())) == v1::ERROR_REASON_INVITATION_REVOKED);
}

TEST_CASE_METHOD(Fixture, "Secrets that are no invitation's all look the same", "[membership]") {
  const Joiner joiner;
  for (const std::string& secret :
       {std::string(), std::string(16, '\0'), std::string(16, 'x'), std::string(15, 'x'),
        std::string(17, 'x'), std::string(100000, 'x')}) {
    const auto result = SendJoin(api, joiner.Request(secret, v1::MEMBER_KIND_PERSON));
    CHECK(Reason(result) == v1::ERROR_REASON_INVITATION_INVALID);
  }
  CHECK(Members() == 0);
}

TEST_CASE_METHOD(Fixture, "Refused joins are audited, without the link and not without end",
                 "[membership]") {
  const auto rows = [&] {
    return api.Sql(
        "SELECT resource, outcome, details->>'attempts', scope_repository IS NOT NULL, "
        "details::text FROM audit_events WHERE actor = 'outsider' ORDER BY id");
  };
  const std::string link = Link(v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT);
  const Joiner joiner;
  const std::string secret(16, 'x');
  for (int i = 0; i < 5; ++i) {
    (void)Join(api, link, Joiner(), v1::MEMBER_KIND_PERSON);
    // Unknown links share a row, whatever they are.
    (void)SendJoin(
        api, joiner.Request(std::string(16, static_cast<char>('a' + i)), v1::MEMBER_KIND_PERSON));
  }
  REQUIRE(rows().size() == 2);
  CHECK(rows()[0].Text(0).starts_with(StrCat(kHeart, "/invitations/")));
  CHECK(rows()[0].Text(1) == "INVITATION_KIND_MISMATCH");
  CHECK(rows()[0].Text(2) == "1");
  CHECK(rows()[0].Bool(3));
  CHECK(rows()[1].Text(0) == "server");
  CHECK(rows()[1].Text(1) == "INVITATION_INVALID");
  CHECK_FALSE(rows()[1].Bool(3));
  CHECK(rows()[1].Text(4) == R"({"attempts": "1"})");
  // Those that were left out are counted by the next row.
  api.clock().Advance(absl::Minutes(10));
  (void)SendJoin(api, joiner.Request(secret, v1::MEMBER_KIND_PERSON));
  REQUIRE(rows().size() == 3);
  CHECK(rows()[2].Text(2) == "5");

  REQUIRE(Join(api, link, Joiner(), v1::MEMBER_KIND_AGENT).ok());
  (void)Join(api, link, Joiner(), v1::MEMBER_KIND_AGENT);
  api.clock().Advance(absl::Hours(24 * 7));
  (void)Join(api, link, Joiner(), v1::MEMBER_KIND_AGENT);
  REQUIRE(rows().size() == 5);
  CHECK(rows()[3].Text(1) == "INVITATION_USED");
  CHECK(rows()[4].Text(1) == "INVITATION_EXPIRED");
}

TEST_CASE_METHOD(Fixture, "Malformed joins are refused and redeem nothing", "[membership]") {
  const std::string link = Link(v1::ROLE_VIEWER);
  const std::string secret = rpc::ParseJoinLink(link)->secret;
  const Joiner joiner;
  const v1::JoinRequest good = joiner.Request(secret, v1::MEMBER_KIND_PERSON);

  v1::JoinRequest request = good;
  request.mutable_signature()->at(5) ^= 1;
  CHECK(Reason(SendJoin(api, request)) == v1::ERROR_REASON_SIGNATURE_INVALID);
  request = good;
  request.set_signature("");
  CHECK(Reason(SendJoin(api, request)) == v1::ERROR_REASON_SIGNATURE_INVALID);
  request = good;
  request.set_contribution_key(Joiner().key.public_key());
  CHECK(Reason(SendJoin(api, request)) == v1::ERROR_REASON_SIGNATURE_INVALID);
  request = good;
  request.set_certificate_request(Joiner().tls.request_der);
  CHECK(Reason(SendJoin(api, request)) == v1::ERROR_REASON_SIGNATURE_INVALID);
  request = good;
  request.set_contribution_key("short");
  CHECK(Reason(SendJoin(api, request)) == v1::ERROR_REASON_INVALID_ARGUMENT);
  request = good;
  request.set_version(std::string(65, 'v'));
  CHECK(Reason(SendJoin(api, request)) == v1::ERROR_REASON_INVALID_ARGUMENT);
  request = good;
  request.set_kind(v1::MEMBER_KIND_UNSPECIFIED);
  CHECK(Reason(SendJoin(api, request)) == v1::ERROR_REASON_INVITATION_KIND_MISMATCH);

  for (const std::string& der : {std::string(), std::string("garbage"), std::string(4000, '\x30'),
                                 joiner.tls.request_der.substr(1)}) {
    Joiner odd{.key = crypto::SigningKey::Generate(), .tls = {crypto::Secret(), der}};
    CHECK(Reason(SendJoin(api, odd.Request(secret, v1::MEMBER_KIND_PERSON))) ==
          v1::ERROR_REASON_CERTIFICATE_REQUEST_INVALID);
  }
  Joiner tampered{.key = crypto::SigningKey::Generate(), .tls = *crypto::GenerateTlsKey()};
  tampered.tls.request_der.back() ^= 1;
  CHECK(Reason(SendJoin(api, tampered.Request(secret, v1::MEMBER_KIND_PERSON))) ==
        v1::ERROR_REASON_CERTIFICATE_REQUEST_INVALID);
  CHECK(Members() == 0);
  CHECK(SendJoin(api, good).ok());
}

TEST_CASE_METHOD(Fixture, "A member's key makes no second member", "[membership]") {
  const Joiner joiner;
  REQUIRE(Join(api, Link(v1::ROLE_VIEWER), joiner).ok());
  const std::string second = Link(v1::ROLE_VIEWER);
  CHECK(Reason(Join(api, second, joiner)) == v1::ERROR_REASON_ALREADY_EXISTS);
  CHECK(Join(api, second, Joiner()).ok());
}

TEST_CASE_METHOD(Fixture, "Of many who redeem one link at once exactly one joins", "[membership]") {
  constexpr int kJoiners = 8;
  const std::string link = Link(v1::ROLE_VIEWER);
  std::atomic<int> joined = 0, used = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kJoiners; ++i) {
    threads.emplace_back([&] {
      const auto result = Join(api, link, Joiner());
      if (result.ok()) ++joined;
      if (Reason(result) == v1::ERROR_REASON_INVITATION_USED) ++used;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(joined == 1);
  CHECK(used == kJoiners - 1);
  CHECK(Members() == 1);
}

TEST_CASE_METHOD(Fixture, "Of many repetitions at once all get the same member", "[membership]") {
  constexpr int kCalls = 6;
  const std::string link = Link(v1::ROLE_VIEWER);
  const Joiner joiner;
  std::vector<std::string> names(kCalls);
  std::vector<std::thread> threads;
  for (int i = 0; i < kCalls; ++i) {
    threads.emplace_back([&, i] {
      const auto result = Join(api, link, joiner);
      if (result.ok()) names[static_cast<size_t>(i)] = result->member().name();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == 1);
  CHECK_FALSE(names[0].empty());
  CHECK(Members() == 1);
}

TEST_CASE_METHOD(Fixture, "A link of count 3 makes three members", "[membership]") {
  const std::string link = Link(v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT, 3);
  for (int i = 0; i < 3; ++i) CHECK(Join(api, link, Joiner(), v1::MEMBER_KIND_AGENT).ok());
  CHECK(Reason(Join(api, link, Joiner(), v1::MEMBER_KIND_AGENT)) ==
        v1::ERROR_REASON_INVITATION_USED);
}

TEST_CASE_METHOD(Fixture, "Who replaces a member removes it at that moment", "[membership]") {
  const auto lost =
      api.MakeMember("st-mary", "heart", v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT, "st-luke");
  v1::CreateInvitationRequest request =
      InvitationFor(kHeart, v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT);
  request.set_organization_display_name("St. Luke");
  request.set_replaces(lost.name);
  const auto invited = Invite(*owner, request);
  REQUIRE(invited.ok());
  CHECK(invited->invitation().replaces() == lost.name);
  CHECK(GetCaller(lost.channel).ok());
  REQUIRE(Join(api, invited->link(), Joiner(), v1::MEMBER_KIND_AGENT).ok());
  CHECK(Reason(GetCaller(lost.channel)) == v1::ERROR_REASON_MEMBER_REMOVED);
}

TEST_CASE_METHOD(Fixture, "Only a member of the same organisation and scope is replaced",
                 "[membership]") {
  const auto member =
      api.MakeMember("st-mary", "heart", v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT, "st-luke");
  api.MakeRepository("st-mary", "lung");
  const auto elsewhere =
      api.MakeMember("st-mary", "lung", v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT, "st-luke");
  const auto maintainer = api.MakeMember("st-mary", "heart", v1::ROLE_MAINTAINER);
  const auto other_owner = api.MakeMember("st-mary", "heart", v1::ROLE_OWNER);
  const auto replace = [&](const ApiFixture::Member& inviter, const std::string& replaced,
                           const char* organization, int count = 1) {
    v1::CreateInvitationRequest request = InvitationFor(kHeart, v1::ROLE_CONTRIBUTOR);
    request.set_organization_display_name(organization);
    request.set_replaces(replaced);
    request.set_count(count);
    return Reason(Invite(inviter, request));
  };
  CHECK(replace(*owner, member.name, "St. Anne") == v1::ERROR_REASON_INVALID_ARGUMENT);
  CHECK(replace(*owner, member.name, "St. Luke", 2) == v1::ERROR_REASON_INVALID_ARGUMENT);
  CHECK(replace(*owner, elsewhere.name, "St. Luke") == v1::ERROR_REASON_NOT_FOUND);
  CHECK(replace(*owner, StrCat(kHeart, "/members/", elsewhere.id), "St. Luke") ==
        v1::ERROR_REASON_NOT_FOUND);
  CHECK(replace(*owner, "nonsense", "St. Luke") == v1::ERROR_REASON_INVALID_ARGUMENT);
  CHECK(replace(*owner, StrCat(kHeart, "/members/x"), "St. Luke") == v1::ERROR_REASON_NOT_FOUND);
  CHECK(replace(maintainer, other_owner.name, "hospital") == v1::ERROR_REASON_ROLE_REQUIRED);
  CHECK(replace(maintainer, member.name, "St. Luke") == v1::ERROR_REASON_UNSPECIFIED);
}

TEST_CASE_METHOD(Fixture, "Nobody replaces a member that has risen above it since",
                 "[membership]") {
  const auto maintainer = api.MakeMember("st-mary", "heart", v1::ROLE_MAINTAINER);
  const auto risen = api.MakeMember("st-mary", "heart", v1::ROLE_VIEWER);
  const auto invite = [&](const ApiFixture::Member& inviter) {
    v1::CreateInvitationRequest request = InvitationFor(kHeart, v1::ROLE_VIEWER);
    request.set_organization_display_name("hospital");
    request.set_replaces(risen.name);
    const auto made = Invite(inviter, request);
    REQUIRE(made.ok());
    return made->link();
  };
  const auto demoted = api.MakeMember("st-mary", "heart", v1::ROLE_OWNER);
  const std::string by_maintainer = invite(maintainer), by_demoted = invite(demoted);
  const std::string by_owner = invite(*owner);
  REQUIRE(SetRole(owner->channel, risen.name, v1::ROLE_OWNER).ok());
  REQUIRE(SetRole(owner->channel, demoted.name, v1::ROLE_MAINTAINER).ok());

  const auto count = [&] {
    return api.Sql("SELECT count(*) FROM members")[0].Int(0) +
           api.Sql("SELECT sum(uses) FROM invitations")[0].Int(0);
  };
  const int64_t before = count();
  for (const std::string& link : {by_maintainer, by_demoted}) {
    const auto refused = Join(api, link, Joiner());
    CHECK(Reason(refused) == v1::ERROR_REASON_INVITATION_REVOKED);
    CHECK(ToStd(refused.status().message()).find("owner") != std::string::npos);
  }
  CHECK(count() == before);  // nothing was redeemed
  CHECK(GetCaller(risen.channel).ok());
  // Back to what it was, the same link serves again; an owner's did all along.
  REQUIRE(SetRole(owner->channel, risen.name, v1::ROLE_VIEWER).ok());
  CHECK(Join(api, by_maintainer, Joiner()).ok());
  CHECK(Reason(GetCaller(risen.channel)) == v1::ERROR_REASON_MEMBER_REMOVED);
  CHECK(Join(api, by_owner, Joiner()).ok());  // who is gone needs no removal
}

TEST_CASE_METHOD(Fixture, "The last owner is replaced by an owner only", "[membership]") {
  v1::CreateInvitationRequest request = InvitationFor("organizations/st-mary", v1::ROLE_MAINTAINER);
  request.set_replaces(owner->name);
  const auto weaker = Invite(*owner, request);
  REQUIRE(weaker.ok());
  CHECK(Reason(Join(api, weaker->link(), Joiner())) == v1::ERROR_REASON_LAST_OWNER);
  request.set_role(v1::ROLE_OWNER);
  request.set_request_id(NewRequestId());
  const auto equal = Invite(*owner, request);
  REQUIRE(equal.ok());
  CHECK(Join(api, equal->link(), Joiner()).ok());
  CHECK(Reason(GetCaller(owner->channel)) == v1::ERROR_REASON_MEMBER_REMOVED);
}

TEST_CASE_METHOD(Fixture, "The server's own link makes an owner beside one who lost its keys",
                 "[membership]") {
  const auto make = [&](const std::string& organization, std::string* link) {
    return api.database().RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
      auto made = membership::CreateOwnerLink(
          transaction, organization,
          {.address = "host:8443", .ca_fingerprint = api.authority().fingerprint()},
          api.clock().Now());
      if (made.ok()) *link = *made;
      return made.status();
    });
  };
  std::string link;
  REQUIRE(make("st-mary", &link).ok());
  const auto joined = Join(api, link, Joiner());
  REQUIRE(joined.ok());
  CHECK(joined->member().role() == v1::ROLE_OWNER);
  CHECK(joined->member().name().starts_with("organizations/st-mary/members/"));
  CHECK(Reason(Join(api, link, Joiner())) == v1::ERROR_REASON_INVITATION_USED);
  const store::Rows rows = api.Sql(
      "SELECT resource, details->>'role' FROM audit_events WHERE actor = 'coordinator' AND "
      "action = 'CreateInvitation' AND scope_organization = 'st-mary'");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].Text(0).starts_with("organizations/st-mary/invitations/"));
  CHECK(rows[0].Text(1) == "owner");

  api.MakeOrganization("guest", /*has_namespace=*/false);
  for (const char* none : {"guest", "nobody", "coordinator", "", "St. Mary"}) {
    CHECK(Reason(make(none, &link)) == v1::ERROR_REASON_NOT_FOUND);
  }
}

TEST_CASE("The server's own link makes an administrator", "[membership]") {
  ApiFixture api;
  std::string link;
  REQUIRE(api.database()
              .RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
                auto made = membership::CreateAdministratorLink(
                    transaction,
                    {.address = "host:8443", .ca_fingerprint = api.authority().fingerprint()},
                    api.clock().Now());
                if (made.ok()) link = *made;
                return made.status();
              })
              .ok());
  CHECK(rpc::ParseJoinLink(link)->address == "host:8443");
  CHECK(rpc::ParseJoinLink(link)->ca_fingerprint == api.authority().fingerprint());
  const Joiner joiner;
  const auto joined = Join(api, link, joiner);
  REQUIRE(joined.ok());
  CHECK(joined->member().role() == v1::ROLE_ADMINISTRATOR);
  CHECK(joined->member().organization() == "coordinator");
  CHECK(joined->member().name().starts_with("members/"));
}

}  // namespace
}  // namespace federity::testing
