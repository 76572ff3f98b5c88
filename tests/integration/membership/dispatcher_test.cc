#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "federity/v1/server.grpc.pb.h"
#include "tests/integration/membership/membership_client.h"

namespace federity::testing {
namespace {

constexpr char kHeart[] = "organizations/st-mary/repositories/heart";

absl::StatusOr<v1::ListAuditEventsResponse> Audit(const ApiFixture::Member& member,
                                                  const std::string& parent, int page_size = 0,
                                                  const std::string& page_token = "") {
  v1::ListAuditEventsRequest request;
  request.set_parent(parent);
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  v1::ListAuditEventsResponse response;
  const auto stub = v1::ServerService::NewStub(member.channel);
  const absl::Status status =
      Call(*stub, &v1::ServerService::Stub::ListAuditEvents, request, &response);
  if (!status.ok()) return status;
  return response;
}

struct Fixture {
  Fixture() {
    api.MakeRepository("st-mary", "heart");
    owner.emplace(api.MakeOwner("st-mary"));
  }
  int64_t Invitations() { return api.Sql("SELECT count(*) FROM invitations")[0].Int(0); }
  ApiFixture api;
  std::optional<ApiFixture::Member> owner;
};

TEST_CASE_METHOD(Fixture, "A repeated request gets its first answer, link and all",
                 "[dispatcher]") {
  const auto request = InvitationFor(kHeart, v1::ROLE_VIEWER);
  const auto first = Invite(*owner, request);
  REQUIRE(first.ok());
  api.clock().Advance(absl::Hours(23));
  const auto second = Invite(*owner, request);
  REQUIRE(second.ok());
  CHECK(second->SerializeAsString() == first->SerializeAsString());
  CHECK(Invitations() == 1);
  // Upper case is the same UUID; the link still works once.
  CHECK(Join(api, second->link(), Joiner()).ok());
}

TEST_CASE_METHOD(Fixture, "A request_id serves one request", "[dispatcher]") {
  auto request = InvitationFor(kHeart, v1::ROLE_VIEWER);
  REQUIRE(Invite(*owner, request).ok());
  request.set_count(2);
  CHECK(Reason(Invite(*owner, request)) == v1::ERROR_REASON_REQUEST_ID_REUSED);
  // Nor another method.
  v1::RemoveMemberRequest remove;
  remove.set_name(owner->name);
  remove.set_request_id(request.request_id());
  google::protobuf::Empty response;
  CHECK(Reason(Call(*Membership(owner->channel), &v1::MembershipService::Stub::RemoveMember, remove,
                    &response)) == v1::ERROR_REASON_REQUEST_ID_REUSED);
  // But another member may use the same.
  const auto other = api.MakeMember("st-mary", "heart", v1::ROLE_OWNER);
  CHECK(Invite(other, request).ok());
  CHECK(Invitations() == 2);
}

TEST_CASE_METHOD(Fixture, "A request_id must be a UUID, checked after the role", "[dispatcher]") {
  const auto viewer = api.MakeMember("st-mary", "heart", v1::ROLE_VIEWER);
  for (const std::string& id :
       {std::string(), std::string("1"), std::string(36, 'x'),
        std::string("'; DROP TABLE requests; --"), std::string(100000, '0')}) {
    auto request = InvitationFor(kHeart, v1::ROLE_VIEWER);
    request.set_request_id(id);
    const auto refused = Invite(*owner, request);
    CHECK(Reason(refused) == v1::ERROR_REASON_INVALID_ARGUMENT);
    CHECK(MetadataOf(refused.status())["field"] == "request_id");
    CHECK(Reason(Invite(viewer, request)) == v1::ERROR_REASON_ROLE_REQUIRED);
  }
}

TEST_CASE_METHOD(Fixture, "A refused request may be sent again, corrected", "[dispatcher]") {
  auto request = InvitationFor(kHeart, v1::ROLE_VIEWER);
  request.set_count(-1);
  CHECK(Reason(Invite(*owner, request)) == v1::ERROR_REASON_INVALID_ARGUMENT);
  request.set_count(1);
  CHECK(Invite(*owner, request).ok());
}

TEST_CASE_METHOD(Fixture, "Of many sendings at once one runs and all get its answer",
                 "[dispatcher]") {
  constexpr size_t kCalls = 6;
  const auto request = InvitationFor(kHeart, v1::ROLE_VIEWER);
  std::vector<std::string> links(kCalls);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kCalls; ++i) {
    threads.emplace_back([&, i] {
      const auto made = Invite(*owner, request);
      if (made.ok()) links[i] = made->link();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(std::set<std::string>(links.begin(), links.end()).size() == 1);
  CHECK_FALSE(links[0].empty());
  CHECK(Invitations() == 1);
}

TEST_CASE_METHOD(Fixture, "Answers are forgotten after a day", "[dispatcher]") {
  const auto request = InvitationFor(kHeart, v1::ROLE_VIEWER);
  REQUIRE(Invite(*owner, request).ok());
  api.clock().Advance(absl::Hours(24) + absl::Minutes(1));
  REQUIRE(Invite(*owner, InvitationFor(kHeart, v1::ROLE_VIEWER)).ok());
  CHECK(api.Sql("SELECT count(*) FROM requests")[0].Int(0) == 1);
}

TEST_CASE_METHOD(Fixture, "Every mutation has its audit row, in order, newest first",
                 "[dispatcher]") {
  const auto auditor = api.MakeMember("st-mary", "heart", v1::ROLE_AUDITOR);
  const auto invited = Invite(*owner, InvitationFor(kHeart, v1::ROLE_VIEWER));
  REQUIRE(invited.ok());
  const auto joined = Join(api, invited->link(), Joiner());
  REQUIRE(joined.ok());
  REQUIRE(SetRole(owner->channel, joined->member().name(), v1::ROLE_AUDITOR).ok());
  REQUIRE(Remove(owner->channel, joined->member().name()).ok());

  const auto events = Audit(auditor, kHeart);
  REQUIRE(events.ok());
  REQUIRE(events->audit_events_size() == 4);
  const v1::AuditEvent& create = events->audit_events(3);
  CHECK(create.action() == "CreateInvitation");
  CHECK(create.actor() == owner->name);
  CHECK(create.resource() == invited->invitation().name());
  CHECK(create.outcome() == "ok");
  CHECK(create.details().at("role") == "viewer");
  CHECK(create.name().starts_with(StrCat(kHeart, "/auditEvents/")));
  CHECK(events->audit_events(2).action() == "Join");
  CHECK(events->audit_events(2).actor() == joined->member().name());
  CHECK(events->audit_events(1).action() == "SetMemberRole");
  CHECK(events->audit_events(1).details().at("role") == "auditor");
  CHECK(events->audit_events(0).action() == "RemoveMember");
  CHECK(events->audit_events(0).resource() == joined->member().name());
}

TEST_CASE_METHOD(Fixture, "Refused mutations are audited, once a minute each", "[dispatcher]") {
  const auto viewer = api.MakeMember("st-mary", "heart", v1::ROLE_VIEWER);
  for (int i = 0; i < 3; ++i) Invite(viewer, InvitationFor(kHeart, v1::ROLE_VIEWER)).IgnoreError();
  auto events = Audit(*owner, kHeart);
  REQUIRE(events.ok());
  REQUIRE(events->audit_events_size() == 1);
  CHECK(events->audit_events(0).outcome() == "ROLE_REQUIRED");
  CHECK(events->audit_events(0).actor() == viewer.name);
  api.clock().Advance(absl::Minutes(2));
  Invite(viewer, InvitationFor(kHeart, v1::ROLE_VIEWER)).IgnoreError();
  CHECK(Audit(*owner, kHeart)->audit_events_size() == 2);
}

TEST_CASE_METHOD(Fixture, "Reads and replays leave no audit row", "[dispatcher]") {
  const auto request = InvitationFor(kHeart, v1::ROLE_VIEWER);
  REQUIRE(Invite(*owner, request).ok());
  REQUIRE(Invite(*owner, request).ok());
  REQUIRE(GetCaller(owner->channel).ok());
  CHECK(Audit(*owner, kHeart)->audit_events_size() == 1);
}

TEST_CASE_METHOD(Fixture, "Administrators see the server's events, of no repository",
                 "[dispatcher]") {
  const auto administrator = api.MakeAdministrator();
  REQUIRE(Invite(*owner, InvitationFor(kHeart, v1::ROLE_VIEWER)).ok());
  REQUIRE(Invite(administrator, InvitationFor("organizations/st-anne", v1::ROLE_OWNER)).ok());
  const auto events = Audit(administrator, "server");
  REQUIRE(events.ok());
  REQUIRE(events->audit_events_size() == 1);
  CHECK(events->audit_events(0).actor() == administrator.name);
  CHECK(events->audit_events(0).name().starts_with("auditEvents/"));
  CHECK(Reason(Audit(*owner, "server")) == v1::ERROR_REASON_NOT_FOUND);
}

TEST_CASE_METHOD(Fixture, "An organisation's trail has all that is below it, for its own members",
                 "[dispatcher]") {
  constexpr char kStMary[] = "organizations/st-mary";
  const auto in_namespace = [&](v1::Role role) {
    return api.MakeMember(
        {.organization = "st-mary", .scope_organization = "st-mary", .role = role});
  };
  const auto invited = Invite(*owner, InvitationFor(kStMary, v1::ROLE_OWNER));
  REQUIRE(invited.ok());
  const Joiner joiner;
  const auto joined = Join(api, invited->link(), joiner);
  REQUIRE(joined.ok());
  REQUIRE(Invite(*owner, InvitationFor(kHeart, v1::ROLE_VIEWER)).ok());
  REQUIRE(Remove(owner->channel, joined->member().name()).ok());
  api.Sql("UPDATE repositories SET deleted_at = now()");  // hides nothing
  api.MakeRepository("other", "heart");
  REQUIRE(Invite(api.MakeOwner("other"),
                 InvitationFor("organizations/other/repositories/heart", v1::ROLE_VIEWER))
              .ok());

  for (const auto role : {v1::ROLE_OWNER, v1::ROLE_MAINTAINER, v1::ROLE_AUDITOR}) {
    const auto events = Audit(in_namespace(role), kStMary);
    REQUIRE(events.ok());
    REQUIRE(events->audit_events_size() == 4);
    CHECK(events->audit_events(0).action() == "RemoveMember");
    CHECK(events->audit_events(1).action() == "CreateInvitation");
    CHECK(events->audit_events(1).resource().starts_with(StrCat(kHeart, "/invitations/")));
    CHECK(events->audit_events(2).action() == "Join");
    CHECK(events->audit_events(2).name().starts_with(StrCat(kStMary, "/auditEvents/")));
    CHECK(events->audit_events(3).action() == "CreateInvitation");
  }
  CHECK(Reason(Audit(in_namespace(v1::ROLE_CONTRIBUTOR), kStMary)) ==
        v1::ERROR_REASON_ROLE_REQUIRED);
  CHECK(Reason(Audit(api.MakeAdministrator(), kStMary)) == v1::ERROR_REASON_ROLE_REQUIRED);
  api.MakeRepository("st-mary", "lung");
  CHECK(Reason(Audit(api.MakeMember("st-mary", "lung", v1::ROLE_OWNER), kStMary)) ==
        v1::ERROR_REASON_NOT_FOUND);
  CHECK(Reason(Audit(*owner, "organizations/other")) == v1::ERROR_REASON_NOT_FOUND);
  // Tokens of one trail do not open another.
  const std::string token = Audit(*owner, kStMary, 1)->next_page_token();
  CHECK(Audit(*owner, kStMary, 3, token)->audit_events_size() == 3);
  CHECK(Reason(Audit(*owner, "organizations/st-mary/repositories/lung", 1, token)) ==
        v1::ERROR_REASON_PAGE_TOKEN_INVALID);
}

TEST_CASE_METHOD(Fixture, "Audit events come page by page", "[dispatcher]") {
  for (int i = 0; i < 5; ++i) REQUIRE(Invite(*owner, InvitationFor(kHeart, v1::ROLE_VIEWER)).ok());
  std::set<std::string> names;
  std::string token;
  int pages = 0;
  do {
    const auto page = Audit(*owner, kHeart, 2, token);
    REQUIRE(page.ok());
    for (const auto& event : page->audit_events()) CHECK(names.insert(event.name()).second);
    token = page->next_page_token();
    ++pages;
  } while (!token.empty());
  CHECK(names.size() == 5);
  CHECK(pages == 3);
}

TEST_CASE_METHOD(Fixture, "Being heard from is noted, at most once a minute", "[dispatcher]") {
  const auto seen = [&] {
    return api
        .Sql("SELECT last_seen_at FROM members WHERE id = $1", store::Params().Text(owner->id))[0]
        .OptionalTime(0);
  };
  CHECK_FALSE(seen().has_value());
  REQUIRE(GetCaller(owner->channel).ok());
  const std::optional<absl::Time> first = seen();
  REQUIRE(first.has_value());
  api.clock().Advance(absl::Seconds(30));
  REQUIRE(GetCaller(owner->channel).ok());
  CHECK(seen() == first);
  api.clock().Advance(absl::Seconds(31));
  REQUIRE(GetCaller(owner->channel).ok());
  CHECK(*seen() - *first >= absl::Seconds(60));
}

TEST_CASE_METHOD(Fixture, "A fault inside tells the client nothing but a number", "[dispatcher]") {
  api.Sql("ALTER TABLE invitations RENAME COLUMN kind TO hidden");
  const absl::Status status = Invite(*owner, InvitationFor(kHeart, v1::ROLE_VIEWER)).status();
  CHECK(status.code() == absl::StatusCode::kInternal);
  CHECK(ReasonOf(status) == v1::ERROR_REASON_INTERNAL);
  const std::string message(ToStd(status.message()));
  CHECK(message.find("kind") == std::string::npos);
  CHECK(message.find("invitations") == std::string::npos);
}

TEST_CASE_METHOD(Fixture, "The server says who it is", "[dispatcher]") {
  const auto stub = v1::ServerService::NewStub(owner->channel);
  v1::ServerInfo info;
  REQUIRE(
      Call(*stub, &v1::ServerService::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info).ok());
  CHECK(info.version() == "1.2.3");
  CHECK(info.schema_version() == store::SchemaVersion());
  CHECK(info.ca_fingerprint() == api.authority().fingerprint().Hex());
  CHECK(info.max_upload_bytes() == 1 << 20);
}

TEST_CASE_METHOD(Fixture, "Handlers see the stream's authorisation end", "[dispatcher]") {
  const auto agent =
      api.MakeMember("st-mary", "heart", v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT);
  constexpr char kWatch[] = "/federity.v1.ContributionService/WatchAssignments";
  api::Authorised stream;
  stream.resource = *ParseResourceName(kHeart);
  stream.repository.id = api.Sql("SELECT id FROM repositories WHERE name = 'heart'")[0].Text(0);
  stream.caller.member_id = agent.id;
  CHECK(api.dispatcher().StillAuthorised(stream, kWatch).ok());
  REQUIRE(SetRole(owner->channel, agent.name, v1::ROLE_VIEWER).ok());
  CHECK(Reason(api.dispatcher().StillAuthorised(stream, kWatch)) == v1::ERROR_REASON_ROLE_REQUIRED);
  REQUIRE(SetRole(owner->channel, agent.name, v1::ROLE_CONTRIBUTOR).ok());
  api.Sql("UPDATE repositories SET deleted_at = now() WHERE name = 'heart'");
  CHECK(Reason(api.dispatcher().StillAuthorised(stream, kWatch)) == v1::ERROR_REASON_NOT_FOUND);
  api.MakeRepository("st-mary", "heart");  // another one of that name
  CHECK(Reason(api.dispatcher().StillAuthorised(stream, kWatch)) == v1::ERROR_REASON_NOT_FOUND);
  api.Sql("UPDATE members SET removed_at = now() WHERE id = $1", store::Params().Text(agent.id));
  CHECK(Reason(api.dispatcher().StillAuthorised(stream, kWatch)) ==
        v1::ERROR_REASON_MEMBER_REMOVED);
}

}  // namespace
}  // namespace federity::testing
