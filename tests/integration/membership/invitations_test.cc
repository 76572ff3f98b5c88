#include <catch2/catch.hpp>
#include <set>

#include "tests/integration/membership/membership_client.h"

namespace federity::testing {
namespace {

constexpr char kHeart[] = "organizations/st-mary/repositories/heart";

absl::StatusOr<v1::Invitation> Revoke(const ApiFixture::Member& member, const std::string& name) {
  v1::RevokeInvitationRequest request;
  request.set_name(name);
  request.set_request_id(NewRequestId());
  v1::Invitation invitation;
  const absl::Status status =
      Call(*Membership(member.channel), &v1::MembershipService::Stub::RevokeInvitation, request,
           &invitation);
  if (!status.ok()) return status;
  return invitation;
}

absl::StatusOr<v1::ListInvitationsResponse> List(const ApiFixture::Member& member,
                                                 const std::string& parent, int page_size = 0,
                                                 const std::string& page_token = "") {
  v1::ListInvitationsRequest request;
  request.set_parent(parent);
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  v1::ListInvitationsResponse response;
  const absl::Status status =
      Call(*Membership(member.channel), &v1::MembershipService::Stub::ListInvitations, request,
           &response);
  if (!status.ok()) return status;
  return response;
}

struct Fixture {
  Fixture() { api.MakeRepository("st-mary", "heart"); }
  ApiFixture api;
};

TEST_CASE_METHOD(Fixture, "An invitation says what it is for", "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  v1::CreateInvitationRequest request =
      InvitationFor(kHeart, v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT);
  request.set_organization_display_name("  Hôpital St. Luc ");
  request.set_lifetime_seconds(3600);
  request.set_count(2);
  const auto made = Invite(owner, request);
  REQUIRE(made.ok());
  const v1::Invitation& invitation = made->invitation();
  CHECK(invitation.name().starts_with(StrCat(kHeart, "/invitations/")));
  CHECK(invitation.role() == v1::ROLE_CONTRIBUTOR);
  CHECK(invitation.kind() == v1::MEMBER_KIND_AGENT);
  CHECK(invitation.organization_display_name() == "Hôpital St. Luc");
  CHECK(invitation.expire_time().seconds() - invitation.create_time().seconds() == 3600);
  CHECK(invitation.count() == 2);
  CHECK(invitation.used() == 0);
  CHECK(invitation.creator() == owner.name);
  const auto link = rpc::ParseJoinLink(made->link());
  REQUIRE(link.ok());
  CHECK(link->address == "coordinator.example:8443");
  CHECK(link->kind == v1::MEMBER_KIND_AGENT);
  CHECK(link->ca_fingerprint == api.authority().fingerprint());
}

TEST_CASE_METHOD(Fixture, "An administrator's invitation makes the namespace and its first owner",
                 "[membership]") {
  const auto administrator = api.MakeAdministrator();
  v1::CreateInvitationRequest request = InvitationFor("organizations/st-anne", v1::ROLE_OWNER);
  request.set_organization_display_name("St. Anne");
  const auto made = Invite(administrator, request);
  REQUIRE(made.ok());
  CHECK(made->invitation().organization() == "st-anne");
  CHECK(made->invitation().organization_display_name() == "St. Anne");
  CHECK(api.Sql("SELECT has_namespace FROM organizations WHERE id = 'st-anne'")[0].Bool(0));
  const Joiner joiner;
  const auto joined = Join(api, made->link(), joiner);
  REQUIRE(joined.ok());
  CHECK(joined->member().name().starts_with("organizations/st-anne/members/"));

  // The new owner invites another; the administrator can list and revoke.
  ApiFixture::Member owner{
      .channel = api.MakeChannel(joined->certificate_chain(), joiner.tls.private_key_pem)};
  const auto second = Invite(owner, InvitationFor("organizations/st-anne", v1::ROLE_OWNER));
  REQUIRE(second.ok());
  CHECK(List(administrator, "organizations/st-anne")->invitations_size() == 2);
  CHECK(Revoke(administrator, second->invitation().name()).ok());
  CHECK(Reason(List(administrator, "organizations/nobody")) == v1::ERROR_REASON_NOT_FOUND);
}

TEST_CASE_METHOD(Fixture, "An organisation is known by its identifier, however it is written",
                 "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  std::set<std::string> identifiers;
  for (const char* name : {"St. Luke's", "st-luke-s", "ST LUKE'S"}) {
    v1::CreateInvitationRequest request = InvitationFor(kHeart, v1::ROLE_VIEWER);
    request.set_organization_display_name(name);
    const auto made = Invite(owner, request);
    REQUIRE(made.ok());
    CHECK(made->invitation().organization_display_name() == "St. Luke's");
    identifiers.insert(made->invitation().organization());
  }
  CHECK(identifiers == std::set<std::string>{"st-luke-s"});
  CHECK_FALSE(api.Sql("SELECT has_namespace FROM organizations WHERE id = 'st-luke-s'")[0].Bool(0));
  // Left out: the parent's own.
  CHECK(Invite(owner, InvitationFor(kHeart, v1::ROLE_VIEWER))->invitation().organization() ==
        "st-mary");
}

TEST_CASE_METHOD(Fixture, "Nobody gives a role above its own", "[membership]") {
  const auto owner = api.MakeMember("st-mary", "heart", v1::ROLE_OWNER);
  const auto maintainer = api.MakeMember("st-mary", "heart", v1::ROLE_MAINTAINER);
  const auto administrator = api.MakeAdministrator();
  const auto invite = [&](const ApiFixture::Member& member, const std::string& parent,
                          v1::Role role) {
    return Reason(Invite(member, InvitationFor(parent, role)));
  };
  for (v1::Role role : {v1::ROLE_OWNER, v1::ROLE_MAINTAINER, v1::ROLE_CONTRIBUTOR, v1::ROLE_VIEWER,
                        v1::ROLE_AUDITOR}) {
    INFO(role);
    CHECK(invite(owner, kHeart, role) == v1::ERROR_REASON_UNSPECIFIED);
    const bool above = role == v1::ROLE_OWNER || role == v1::ROLE_MAINTAINER;
    CHECK(invite(maintainer, kHeart, role) ==
          (above ? v1::ERROR_REASON_ROLE_REQUIRED : v1::ERROR_REASON_UNSPECIFIED));
    CHECK(invite(administrator, "organizations/st-mary", role) ==
          (role == v1::ROLE_OWNER ? v1::ERROR_REASON_UNSPECIFIED : v1::ERROR_REASON_ROLE_REQUIRED));
  }
  for (const ApiFixture::Member* member : {&owner, &maintainer}) {
    CHECK(invite(*member, kHeart, v1::ROLE_ADMINISTRATOR) == v1::ERROR_REASON_INVALID_ARGUMENT);
    CHECK(invite(*member, kHeart, v1::ROLE_UNSPECIFIED) == v1::ERROR_REASON_INVALID_ARGUMENT);
    CHECK(invite(*member, kHeart, static_cast<v1::Role>(99)) == v1::ERROR_REASON_INVALID_ARGUMENT);
  }
}

TEST_CASE_METHOD(Fixture, "Invitations beyond the limits are refused", "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  const auto refused = [&](const std::function<void(v1::CreateInvitationRequest&)>& change) {
    v1::CreateInvitationRequest request = InvitationFor(kHeart, v1::ROLE_VIEWER);
    change(request);
    const auto made = Invite(owner, request);
    CHECK(Reason(made) == v1::ERROR_REASON_INVALID_ARGUMENT);
    return MetadataOf(made.status())["field"];
  };
  CHECK(refused([](auto& r) { r.set_lifetime_seconds(-1); }) == "lifetime_seconds");
  CHECK(refused([](auto& r) { r.set_lifetime_seconds(90 * 86400 + 1); }) == "lifetime_seconds");
  CHECK(refused([](auto& r) { r.set_lifetime_seconds(INT64_MAX); }) == "lifetime_seconds");
  CHECK(refused([](auto& r) { r.set_count(1001); }) == "count");
  CHECK(refused([](auto& r) { r.set_count(-1); }) == "count");
  CHECK(refused([](auto& r) { r.set_kind(v1::MEMBER_KIND_UNSPECIFIED); }) == "kind");
  CHECK(refused([](auto& r) { r.set_kind(static_cast<v1::MemberKind>(9)); }) == "kind");
  for (const std::string& name :
       {std::string("***"), std::string(201, 'a'), std::string(64, 'a'), std::string("a\nb"),
        std::string("a\0b", 3), std::string("Coordinator"), std::string("   ")}) {
    CHECK(refused([&](auto& r) { r.set_organization_display_name(name); }) ==
          "organization_display_name");
  }
  CHECK(refused([](auto& r) { r.set_parent(StrCat(kHeart, "/members/x")); }) == "parent");
  v1::CreateInvitationRequest longest = InvitationFor(kHeart, v1::ROLE_VIEWER);
  longest.set_lifetime_seconds(90 * 86400);
  longest.set_count(1000);
  CHECK(Invite(owner, longest).ok());
  CHECK(Reason(Invite(api.MakeAdministrator(),
                      InvitationFor("organizations/coordinator", v1::ROLE_OWNER))) ==
        v1::ERROR_REASON_INVALID_ARGUMENT);
}

TEST_CASE_METHOD(Fixture, "A scope holds 10,000 open invitations", "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  api.Sql(
      "INSERT INTO invitations (id, scope_organization, scope_repository, organization, role, "
      "kind, secret_digest, max_uses, created_at, expires_at) "
      "SELECT gen_random_uuid(), 'st-mary', r.id, 'st-mary', 5, 1, i::text::bytea, 1, now(), "
      "now() + interval '1 day' FROM repositories r, generate_series(1, 10000) i");
  const auto refused = Invite(owner, InvitationFor(kHeart, v1::ROLE_VIEWER));
  CHECK(Reason(refused) == v1::ERROR_REASON_LIMIT_EXCEEDED);
  CHECK(MetadataOf(refused.status())["limit"] == "10000");
  CHECK(Invite(owner, InvitationFor("organizations/st-mary", v1::ROLE_OWNER)).ok());
  api.Sql("UPDATE invitations SET revoked_at = now() WHERE secret_digest = '7'::bytea");
  CHECK(Invite(owner, InvitationFor(kHeart, v1::ROLE_VIEWER)).ok());
}

TEST_CASE_METHOD(Fixture, "Invitations are listed newest first, page by page, without secrets",
                 "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  std::vector<std::string> made;
  for (int i = 0; i < 5; ++i) {
    made.push_back(Invite(owner, InvitationFor(kHeart, v1::ROLE_VIEWER))->invitation().name());
    if (i % 2 == 0) api.clock().Advance(absl::Seconds(1));  // some at the same time
  }
  std::vector<std::string> seen;
  std::string token;
  do {
    const auto page = List(owner, kHeart, 2, token);
    REQUIRE(page.ok());
    CHECK(page->invitations_size() <= 2);
    for (const auto& invitation : page->invitations()) seen.push_back(invitation.name());
    token = page->next_page_token();
  } while (!token.empty());
  REQUIRE(seen.size() == 5);
  CHECK(std::set<std::string>(seen.begin(), seen.end()) ==
        std::set<std::string>(made.begin(), made.end()));
  CHECK(seen[4] == made[0]);
}

TEST_CASE_METHOD(Fixture, "Page tokens of another list are refused", "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  api.MakeRepository("st-mary", "lung");
  for (int i = 0; i < 3; ++i) REQUIRE(Invite(owner, InvitationFor(kHeart, v1::ROLE_VIEWER)).ok());
  const std::string token = List(owner, kHeart, 1)->next_page_token();
  REQUIRE_FALSE(token.empty());
  CHECK(List(owner, kHeart, 1, token).ok());
  CHECK(Reason(List(owner, "organizations/st-mary/repositories/lung", 1, token)) ==
        v1::ERROR_REASON_PAGE_TOKEN_INVALID);
  CHECK(Reason(List(owner, kHeart, 1, token + "A")) == v1::ERROR_REASON_PAGE_TOKEN_INVALID);
  CHECK(Reason(List(owner, kHeart, 1, "1,2")) == v1::ERROR_REASON_PAGE_TOKEN_INVALID);
  v1::ListMembersRequest members;
  members.set_parent(kHeart);
  members.set_page_token(token);
  v1::ListMembersResponse response;
  CHECK(Reason(Call(*Membership(owner.channel), &v1::MembershipService::Stub::ListMembers, members,
                    &response)) == v1::ERROR_REASON_PAGE_TOKEN_INVALID);
  CHECK(Reason(List(owner, kHeart, -1)) == v1::ERROR_REASON_INVALID_ARGUMENT);
}

TEST_CASE_METHOD(Fixture, "Revoking", "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  const auto maintainer = api.MakeMember("st-mary", "heart", v1::ROLE_MAINTAINER);
  const auto made = Invite(owner, InvitationFor(kHeart, v1::ROLE_VIEWER));
  CHECK(Revoke(maintainer, made->invitation().name())->revoked());
  CHECK(Revoke(owner, made->invitation().name())->revoked());  // again: the same

  const auto above = Invite(owner, InvitationFor(kHeart, v1::ROLE_OWNER));
  CHECK(Reason(Revoke(maintainer, above->invitation().name())) == v1::ERROR_REASON_ROLE_REQUIRED);

  const auto used = Invite(owner, InvitationFor(kHeart, v1::ROLE_VIEWER));
  REQUIRE(Join(api, used->link(), Joiner()).ok());
  CHECK(Reason(Revoke(owner, used->invitation().name())) == v1::ERROR_REASON_INVITATION_USED);

  // Of another scope, of none, malformed.
  const auto org = Invite(owner, InvitationFor("organizations/st-mary", v1::ROLE_OWNER));
  const std::string id = org->invitation().name().substr(org->invitation().name().rfind('/') + 1);
  CHECK(Reason(Revoke(owner, StrCat(kHeart, "/invitations/", id))) == v1::ERROR_REASON_NOT_FOUND);
  CHECK(Reason(Revoke(owner, StrCat(kHeart, "/invitations/", crypto::RandomUuid()))) ==
        v1::ERROR_REASON_NOT_FOUND);
  CHECK(Reason(Revoke(owner, StrCat(kHeart, "/invitations/x"))) == v1::ERROR_REASON_NOT_FOUND);
  CHECK(Reason(Revoke(owner, StrCat(kHeart, "/members/", id))) ==
        v1::ERROR_REASON_INVALID_ARGUMENT);
}

TEST_CASE_METHOD(Fixture, "Who leaves or loses its role leaves no links behind", "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  const auto demoted = api.MakeMember("st-mary", "heart", v1::ROLE_OWNER);
  const auto as_owner = Invite(demoted, InvitationFor(kHeart, v1::ROLE_OWNER));
  const auto as_maintainer = Invite(demoted, InvitationFor(kHeart, v1::ROLE_VIEWER));
  REQUIRE(SetRole(owner.channel, demoted.name, v1::ROLE_MAINTAINER).ok());
  CHECK(Reason(Join(api, as_owner->link(), Joiner())) == v1::ERROR_REASON_INVITATION_REVOKED);
  CHECK(Join(api, as_maintainer->link(), Joiner()).ok());

  const auto last = Invite(demoted, InvitationFor(kHeart, v1::ROLE_VIEWER));
  REQUIRE(Remove(owner.channel, demoted.name).ok());
  CHECK(Reason(Join(api, last->link(), Joiner())) == v1::ERROR_REASON_INVITATION_REVOKED);
}

}  // namespace
}  // namespace federity::testing
