#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "common/rpc/channel.h"
#include "tests/integration/membership/membership_client.h"

namespace federity::testing {
namespace {

constexpr char kHeart[] = "organizations/st-mary/repositories/heart";

absl::StatusOr<v1::ListMembersResponse> List(const ApiFixture::Member& member,
                                             const std::string& parent, bool show_removed = false,
                                             int page_size = 0,
                                             const std::string& page_token = "") {
  v1::ListMembersRequest request;
  request.set_parent(parent);
  request.set_show_removed(show_removed);
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  v1::ListMembersResponse response;
  const absl::Status status = Call(*Membership(member.channel),
                                   &v1::MembershipService::Stub::ListMembers, request, &response);
  if (!status.ok()) return status;
  return response;
}

v1::Member Find(const absl::StatusOr<v1::ListMembersResponse>& list, const std::string& name) {
  REQUIRE(list.ok());
  for (const v1::Member& member : list->members()) {
    if (member.name() == name) return member;
  }
  FAIL("not in the list: " << name);
  return {};
}

struct Fixture {
  Fixture() { repository = api.MakeRepository("st-mary", "heart"); }
  ApiFixture::Member Agent() {
    return api.MakeMember("st-mary", "heart", v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT);
  }
  ApiFixture api;
  std::string repository;
};

TEST_CASE_METHOD(Fixture, "Maintainers see what agents offer, others who they are",
                 "[membership]") {
  const auto maintainer = api.MakeMember("st-mary", "heart", v1::ROLE_MAINTAINER);
  const auto viewer = api.MakeMember("st-mary", "heart", v1::ROLE_VIEWER);
  const auto agent = Agent();
  api.Sql("UPDATE repositories SET plan_digest = 'sha256:p'");
  api.Sql(
      "INSERT INTO agents (member, online_until, approved_plan_digest, datasets) "
      "VALUES ($1, $2, 'sha256:p', '[{\"label\":\"icu\",\"kind\":\"table\",\"rows\":42}]')",
      store::Params().Text(agent.id).Time(api.clock().Now() + absl::Minutes(1)));

  v1::Member seen = Find(List(maintainer, kHeart), agent.name);
  CHECK(seen.online());
  CHECK(seen.approval() == v1::APPROVAL_STATE_CURRENT);
  REQUIRE(seen.datasets_size() == 1);
  CHECK(seen.datasets(0).label() == "icu");
  CHECK(seen.datasets(0).kind() == "table");
  CHECK(seen.datasets(0).rows() == 42);

  for (const ApiFixture::Member* other : {&viewer}) {
    seen = Find(List(*other, kHeart), agent.name);
    CHECK(seen.organization() == "hospital");
    CHECK(seen.contribution_key() == agent.key.public_key());
    CHECK_FALSE(seen.online());
    CHECK(seen.approval() == v1::APPROVAL_STATE_UNSPECIFIED);
    CHECK(seen.datasets_size() == 0);
    CHECK_FALSE(seen.has_last_seen_time());
  }
  CHECK(Find(List(agent, kHeart), agent.name).datasets_size() == 1);  // its own

  api.clock().Advance(absl::Minutes(2));
  CHECK_FALSE(Find(List(maintainer, kHeart), agent.name).online());
  api.Sql("UPDATE repositories SET plan_digest = 'sha256:q'");
  CHECK(Find(List(maintainer, kHeart), agent.name).approval() == v1::APPROVAL_STATE_OUTDATED);
  api.Sql("UPDATE agents SET approved_plan_digest = ''");
  CHECK(Find(List(maintainer, kHeart), agent.name).approval() == v1::APPROVAL_STATE_NONE);
}

TEST_CASE_METHOD(Fixture, "Malformed data set summaries do no harm", "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  const auto agent = Agent();
  for (const char* datasets : {"[]", "{}", "[1, null, []]", "[{\"rows\":\"many\",\"label\":3}]",
                               "[{\"rows\":1e300}]", "\"x\""}) {
    api.Sql(
        "INSERT INTO agents (member, datasets) VALUES ($1, $2) ON CONFLICT (member) DO UPDATE "
        "SET datasets = excluded.datasets",
        store::Params().Text(agent.id).Text(datasets));
    CHECK(List(owner, kHeart).ok());
  }
}

TEST_CASE_METHOD(Fixture, "Members are listed in order of joining, page by page", "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i) {
    names.push_back(Agent().name);
    api.clock().Advance(absl::Milliseconds(1));
  }
  std::vector<std::string> seen;
  std::string token;
  do {
    const auto page = List(owner, kHeart, false, 2, token);
    REQUIRE(page.ok());
    for (const auto& member : page->members()) seen.push_back(member.name());
    token = page->next_page_token();
  } while (!token.empty());
  CHECK(seen == names);
  CHECK(List(owner, "organizations/st-mary")->members_size() == 1);
  // A token of the one list does not fit the other.
  const std::string other = List(owner, kHeart, true, 2)->next_page_token();
  CHECK(Reason(List(owner, kHeart, false, 2, other)) == v1::ERROR_REASON_PAGE_TOKEN_INVALID);
}

TEST_CASE_METHOD(Fixture, "A removed member is cut off at once and listed on request",
                 "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  const auto agent = Agent();
  REQUIRE(GetCaller(agent.channel).ok());
  REQUIRE(Remove(owner.channel, agent.name).ok());
  CHECK(Reason(GetCaller(agent.channel)) == v1::ERROR_REASON_MEMBER_REMOVED);
  CHECK(List(owner, kHeart)->members_size() == 0);
  CHECK(Find(List(owner, kHeart, true), agent.name).has_remove_time());
  CHECK(Reason(Remove(owner.channel, agent.name)) == v1::ERROR_REASON_NOT_FOUND);
  CHECK(Reason(SetRole(owner.channel, agent.name, v1::ROLE_VIEWER)) == v1::ERROR_REASON_NOT_FOUND);
}

TEST_CASE_METHOD(Fixture, "Removal wakes the member's streams and the repository", "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  const auto agent = Agent();
  absl::Mutex mutex;
  int member_woken = 0, repository_woken = 0;
  const auto count = [&](int& counter) {
    return [&mutex, &counter] {
      absl::MutexLock lock(&mutex);
      ++counter;
    };
  };
  const auto first = api.database().Subscribe(StrCat("member:", agent.id), count(member_woken));
  const auto second =
      api.database().Subscribe(StrCat("repository:", repository), count(repository_woken));
  // Subscribers also wake at (re)connections; what comes after the removal counts.
  int before_member, before_repository;
  {
    absl::MutexLock lock(&mutex);
    before_member = member_woken;
    before_repository = repository_woken;
  }
  REQUIRE(Remove(owner.channel, agent.name).ok());
  const auto woken = [&] {
    return member_woken > before_member && repository_woken > before_repository;
  };
  absl::MutexLock lock(&mutex);
  CHECK(mutex.AwaitWithTimeout(absl::Condition(&woken), absl::Seconds(20)));
}

TEST_CASE_METHOD(Fixture, "Anybody may leave; leaving names exactly oneself", "[membership]") {
  api.MakeOwner("st-mary");
  const auto viewer = api.MakeMember("st-mary", "heart", v1::ROLE_VIEWER);
  const auto other = api.MakeMember("st-mary", "heart", v1::ROLE_VIEWER);
  CHECK(Reason(Remove(viewer.channel, other.name)) == v1::ERROR_REASON_ROLE_REQUIRED);
  // Its own identifier under another scope is not its name.
  CHECK_FALSE(Remove(viewer.channel, StrCat("organizations/st-mary/members/", viewer.id)).ok());
  CHECK_FALSE(Remove(viewer.channel, StrCat("members/", viewer.id)).ok());
  CHECK(Reason(Remove(viewer.channel, StrCat(kHeart, "/invitations/", viewer.id))) ==
        v1::ERROR_REASON_ROLE_REQUIRED);
  CHECK(GetCaller(viewer.channel).ok());
  CHECK(Remove(viewer.channel, viewer.name).ok());
  CHECK(Reason(GetCaller(viewer.channel)) == v1::ERROR_REASON_MEMBER_REMOVED);
}

TEST_CASE_METHOD(Fixture, "The last owner stays", "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  const auto repository_owner = api.MakeMember("st-mary", "heart", v1::ROLE_OWNER);
  // Of the namespace: owners of a repository do not count.
  CHECK(Reason(Remove(owner.channel, owner.name)) == v1::ERROR_REASON_LAST_OWNER);
  CHECK(Reason(SetRole(owner.channel, owner.name, v1::ROLE_VIEWER)) == v1::ERROR_REASON_LAST_OWNER);
  CHECK(SetRole(owner.channel, owner.name, v1::ROLE_OWNER).ok());
  // Of a repository: owners of the namespace do.
  CHECK(SetRole(repository_owner.channel, repository_owner.name, v1::ROLE_MAINTAINER).ok());
  CHECK(SetRole(owner.channel, repository_owner.name, v1::ROLE_OWNER).ok());
  CHECK(Remove(repository_owner.channel, repository_owner.name).ok());

  const auto second = api.MakeOwner("st-mary");
  CHECK(Remove(second.channel, owner.name).ok());
  CHECK(Reason(Remove(second.channel, second.name)) == v1::ERROR_REASON_LAST_OWNER);
}

TEST_CASE_METHOD(Fixture, "The only owner of a repository without others above stays",
                 "[membership]") {
  const auto only = api.MakeMember("st-mary", "heart", v1::ROLE_OWNER);
  CHECK(Reason(Remove(only.channel, only.name)) == v1::ERROR_REASON_LAST_OWNER);
  const auto second = api.MakeMember("st-mary", "heart", v1::ROLE_OWNER);
  CHECK(Remove(only.channel, only.name).ok());
  CHECK(Reason(Remove(second.channel, second.name)) == v1::ERROR_REASON_LAST_OWNER);
}

TEST_CASE_METHOD(Fixture, "Of two owners that leave at once one stays", "[membership]") {
  for (int i = 0; i < 5; ++i) {
    api.Sql("UPDATE members SET removed_at = now() WHERE removed_at IS NULL");
    const auto first = api.MakeOwner("st-mary");
    const auto second = api.MakeOwner("st-mary");
    absl::Status left[2];
    std::thread a([&] { left[0] = Remove(first.channel, first.name); });
    std::thread b([&] { left[1] = Remove(second.channel, second.name); });
    a.join();
    b.join();
    CHECK(left[0].ok() + left[1].ok() == 1);
    CHECK((Reason(left[0]) == v1::ERROR_REASON_LAST_OWNER ||
           Reason(left[1]) == v1::ERROR_REASON_LAST_OWNER));
  }
}

TEST_CASE_METHOD(Fixture, "A new role takes effect with the next call", "[membership]") {
  const auto owner = api.MakeOwner("st-mary");
  const auto member = api.MakeMember("st-mary", "heart", v1::ROLE_MAINTAINER);
  REQUIRE(Invite(member, InvitationFor(kHeart, v1::ROLE_VIEWER)).ok());
  const auto changed = SetRole(owner.channel, member.name, v1::ROLE_VIEWER);
  REQUIRE(changed.ok());
  CHECK(changed->role() == v1::ROLE_VIEWER);
  CHECK(Reason(Invite(member, InvitationFor(kHeart, v1::ROLE_VIEWER))) ==
        v1::ERROR_REASON_ROLE_REQUIRED);
  for (v1::Role role : {v1::ROLE_UNSPECIFIED, v1::ROLE_ADMINISTRATOR, static_cast<v1::Role>(77)}) {
    CHECK(Reason(SetRole(owner.channel, member.name, role)) == v1::ERROR_REASON_INVALID_ARGUMENT);
  }
  CHECK(Reason(SetRole(owner.channel, StrCat(kHeart, "/members/x"), v1::ROLE_VIEWER)) ==
        v1::ERROR_REASON_NOT_FOUND);
  CHECK(Reason(SetRole(owner.channel, StrCat("organizations/st-mary/members/", member.id),
                       v1::ROLE_VIEWER)) == v1::ERROR_REASON_NOT_FOUND);
}

TEST_CASE_METHOD(Fixture, "Administrators remove each other and nobody else", "[membership]") {
  const auto first = api.MakeAdministrator();
  api.MakeOwner("st-mary");
  const auto owner = api.MakeOwner("st-mary");
  CHECK(Reason(Remove(first.channel, owner.name)) == v1::ERROR_REASON_ROLE_REQUIRED);
  CHECK(Reason(Remove(first.channel, Agent().name)) == v1::ERROR_REASON_NOT_FOUND);
  CHECK(GetCaller(owner.channel).ok());
  const auto second = api.MakeAdministrator();
  CHECK(List(first, "server")->members_size() == 2);
  CHECK(Remove(first.channel, second.name).ok());
  CHECK(Reason(GetCaller(second.channel)) == v1::ERROR_REASON_MEMBER_REMOVED);
}

TEST_CASE("A certificate of another coordinator opens no connection", "[membership]") {
  ApiFixture here, there;
  here.MakeRepository("st-mary", "heart");
  const auto member = here.MakeMember("st-mary", "heart", v1::ROLE_VIEWER);
  const crypto::TlsKeyAndRequest key = *crypto::GenerateTlsKey();
  const auto foreign =
      there.authority().IssueMember(member.id, member.kind, key.request_der, absl::Now());
  REQUIRE(foreign.ok());
  CHECK(absl::IsUnavailable(
      GetCaller(here.MakeChannel(foreign->chain_pem, key.private_key_pem)).status()));
  // And the client does not take the other coordinator for its own.
  const auto channel = rpc::MakeChannel(
      {.address = there.address(), .ca_certificate_pem = here.authority().certificate_pem()});
  CHECK(absl::IsUnavailable(GetCaller(channel).status()));
}

TEST_CASE("A server's certificate names no member", "[membership]") {
  ApiFixture api;
  const auto server = api.authority().IssueServer({"localhost"}, absl::Now());
  REQUIRE(server.ok());
  const absl::Status status =
      GetCaller(api.MakeChannel(server->chain_pem, server->private_key_pem)).status();
  CHECK((absl::IsUnavailable(status) || ReasonOf(status) == v1::ERROR_REASON_CERTIFICATE_REQUIRED));
}

}  // namespace
}  // namespace federity::testing
