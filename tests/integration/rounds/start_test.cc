// What a round needs to be started, and how it recruits.
#include <catch2/catch.hpp>

#include "server/membership/withdrawal.h"
#include "server/repositories/plans.h"
#include "tests/integration/rounds/round_fixture.h"

namespace federity::testing {
namespace {

TEST_CASE("A round is refused with the list when too few could ever take part", "[rounds]") {
  RoundFixture fixture(RoundFixture::DefaultPlan(), 2);
  // Neither a second workstation of one hospital, nor a person, nor a viewer helps.
  fixture.AddAgent("hospital-0");
  fixture.InsertMember("hospital-8", v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_PERSON);
  fixture.InsertMember("hospital-9", v1::ROLE_VIEWER, v1::MEMBER_KIND_AGENT);
  const absl::Status status = fixture.TryStart().status();
  CHECK(ReasonOf(status) == v1::ERROR_REASON_TOO_FEW_MEMBERS);
  const std::string members = MetadataOf(status)["members"];
  CHECK(members == "The hospital-0 (ready), The hospital-0 (ready), The hospital-1 (ready)");
  CHECK(status.message().find("agents of 2 could ever take part") != absl::string_view::npos);
  CHECK(fixture.Sql("SELECT 1 FROM rounds").empty());
  CHECK(fixture.Sql("SELECT 1 FROM series").empty());
}

TEST_CASE("Members that are away count as possible", "[rounds]") {
  RoundFixture fixture;
  for (const Agent& agent : fixture.agents()) fixture.Disconnect(agent);
  CHECK(fixture.TryStart().ok());
}

TEST_CASE("A second round is refused while one runs", "[rounds]") {
  RoundFixture fixture;
  CHECK(fixture.TryStart().ok());
  CHECK(ReasonOf(fixture.TryStart().status()) == v1::ERROR_REASON_ROUND_IN_PROGRESS);
}

TEST_CASE("A count beyond its range is refused", "[rounds]") {
  RoundFixture fixture;
  for (const int64_t count : {-1, 0, 10'001}) {
    CHECK(ReasonOf(fixture.TryStart(count).status()) == v1::ERROR_REASON_INVALID_ARGUMENT);
  }
  CHECK(fixture.TryStart(10'000).ok());
}

TEST_CASE("A repository without a model has no rounds", "[rounds]") {
  RoundFixture fixture;
  fixture.Sql("UPDATE repositories SET head = NULL");
  CHECK(ReasonOf(fixture.TryStart().status()) == v1::ERROR_REASON_ROUND_STATE);
}

TEST_CASE("Federated standardisation must be frozen first", "[rounds]") {
  Plan plan = RoundFixture::DefaultPlan();
  plan.data.standardise = Plan::Standardise::kFederated;
  RoundFixture fixture(plan);
  CHECK(ReasonOf(fixture.TryStart().status()) == v1::ERROR_REASON_STANDARDISATION_MISSING);
  std::string digest;
  fixture.Run([&](store::Transaction& transaction) -> absl::Status {
    StandardisationValues values{{1, 2}, {3, 4}, 100, 3};
    FEDERITY_ASSIGN_OR_RETURN(
        digest, repositories::SetStandardisation(transaction, fixture.repository(), values, "sig",
                                                 fixture.now()));
    return absl::OkStatus();
  });
  fixture.Start();
  CHECK(fixture.Round().standardisation_digest == digest);
  fixture.ContributeAll();
  fixture.Step();
  CHECK(fixture.Head().standardisation_digest == digest);
}

TEST_CASE("A round whose sums could overflow is refused at its start", "[rounds]") {
  Plan plan = RoundFixture::DefaultPlan();
  // 5 · 10^9 is beyond 2^32, which times 2^31 passes 63 bits.
  plan.aggregation.max_examples = 1'000'000'000;
  RoundFixture fixture(plan, 5);
  const absl::Status status = fixture.TryStart().status();
  CHECK(ReasonOf(status) == v1::ERROR_REASON_OVERFLOW_POSSIBLE);
  CHECK_FALSE(MetadataOf(status).empty());
}

TEST_CASE("Recruiting waits for enough agents and starts when they come", "[rounds]") {
  RoundFixture fixture;
  auto& agents = fixture.agents();
  fixture.Disconnect(agents[2]);
  fixture.Start();
  CHECK(fixture.Round().state == v1::Round::RECRUITING);
  CHECK(fixture.Round().due == fixture.Round().recruit_deadline);
  fixture.clock().Advance(absl::Minutes(30));
  fixture.Step();
  CHECK(fixture.Round().state == v1::Round::RECRUITING);
  fixture.Connect(agents[2]);
  fixture.Step();
  CHECK(fixture.Round().state == v1::Round::TRAINING);
}

TEST_CASE("Agents that come within the grace still join", "[rounds]") {
  RoundFixture fixture(RoundFixture::DefaultPlan(), 5);
  auto& agents = fixture.agents();
  fixture.Disconnect(agents[3]);
  fixture.Disconnect(agents[4]);
  fixture.Start();
  CHECK(fixture.Round().state == v1::Round::RECRUITING);
  fixture.clock().Advance(absl::Seconds(9));
  fixture.Connect(agents[3]);
  fixture.Step();
  CHECK(fixture.Round().state == v1::Round::RECRUITING);
  fixture.clock().Advance(absl::Seconds(1));
  fixture.Step();
  REQUIRE(fixture.Round().state == v1::Round::TRAINING);
  CHECK(fixture.Sql("SELECT 1 FROM contributions").size() == 4);
  CHECK_NOTHROW(fixture.Contribution(agents[3]));
  CHECK_THROWS(fixture.Contribution(agents[4]));
}

TEST_CASE("Only agents with the present approval and no reason against are recruited", "[rounds]") {
  RoundFixture fixture(RoundFixture::DefaultPlan(), 7);
  auto& agents = fixture.agents();
  v1::WatchAssignmentsRequest greeting = fixture.Greeting();
  greeting.set_approved_plan_digest("");
  fixture.Connect(agents[3], greeting);
  greeting = fixture.Greeting();
  greeting.set_approved_program_digest(crypto::Sha256("another").ToString());
  fixture.Connect(agents[4], greeting);
  greeting = fixture.Greeting();
  greeting.set_not_ready("paused");
  fixture.Connect(agents[5], greeting);
  fixture.Disconnect(agents[6]);
  fixture.Start();
  const v1::Round view = fixture.View(1, {.member = "", .maintainer = true});
  REQUIRE(view.participants_size() == 7);
  CHECK(view.participants(0).status() == "ready");
  CHECK(view.participants(3).status() == "waiting for approval");
  CHECK(view.participants(4).status() == "approval outdated");
  CHECK(view.participants(5).status() == "not ready: paused");
  CHECK(view.participants(6).status().find("offline since ") == 0);
  CHECK(view.waiting_for() == "more agents, for a few seconds");
  fixture.clock().Advance(absl::Seconds(10));
  fixture.Step();
  CHECK(fixture.Sql("SELECT 1 FROM contributions").size() == 3);
}

TEST_CASE("Too few agents by the recruiting deadline fail the round and its series", "[rounds]") {
  RoundFixture fixture;
  fixture.Disconnect(fixture.agents()[0]);
  fixture.Start(5);
  fixture.clock().Advance(absl::Hours(1));
  fixture.Step();
  const rounds::RoundRow round = fixture.Round();
  CHECK(round.state == v1::Round::FAILED);
  CHECK(round.failure_reason == "TOO_FEW_CONTRIBUTIONS");
  CHECK(round.failure ==
        "agents of 2 organisations were ready by the end of recruiting and 3 are needed");
  CHECK(round.series_ended);
  CHECK_FALSE(round.due.has_value());
  CHECK(fixture.Head().digest == fixture.base());
  CHECK(fixture.TryStart().ok());
}

TEST_CASE("A changed approval is audited once", "[rounds]") {
  RoundFixture rig(RoundFixture::DefaultPlan(), 0);
  auto& agent = rig.AddAgent("st-luke");
  const auto rows = [&] {
    return rig.Sql(
        "SELECT details->>'plan', details->>'program', actor, resource, "
        "scope_repository IS NOT NULL AND scope_organization IS NOT NULL "
        "FROM audit_events WHERE action = 'ChangeApproval' ORDER BY id");
  };
  REQUIRE(rows().size() == 1);
  v1::WatchAssignmentsRequest greeting = rig.Greeting();
  CHECK(rows()[0].Text(0) == greeting.approved_plan_digest());
  CHECK(rows()[0].Text(1) == greeting.approved_program_digest());
  CHECK(rows()[0].Text(2).ends_with("/members/" + agent.id));
  CHECK(rows()[0].Text(3) == rows()[0].Text(2));
  CHECK(rows()[0].Bool(4));
  rig.Connect(agent);
  rig.Disconnect(agent);
  rig.Connect(agent);
  CHECK(rows().size() == 1);
  greeting.set_approved_program_digest("");
  rig.Connect(agent, greeting);
  rig.Connect(agent, greeting);
  REQUIRE(rows().size() == 2);
  CHECK(rows()[1].Text(1) == "none");
  rig.Connect(agent, v1::WatchAssignmentsRequest());
  CHECK(rows().size() == 3);
}

TEST_CASE("Greetings beyond their limits are refused", "[rounds]") {
  const auto refused = [](const std::function<void(v1::WatchAssignmentsRequest&)>& spoil) {
    v1::WatchAssignmentsRequest request;
    spoil(request);
    return ReasonOf(rounds::CheckGreeting(request)) == v1::ERROR_REASON_INVALID_ARGUMENT;
  };
  CHECK(refused([](auto& r) { r.set_version(std::string(101, 'x')); }));
  CHECK(refused([](auto& r) { r.set_not_ready(std::string(501, 'x')); }));
  CHECK(refused([](auto& r) { r.set_not_ready("\x1b[31m"); }));
  CHECK(refused([](auto& r) { r.set_approved_plan_digest("sha256:12"); }));
  CHECK(refused([](auto& r) { r.set_approved_program_digest("x"); }));
  CHECK(refused([](auto& r) {
    for (int i = 0; i < 101; ++i) r.add_datasets()->set_kind("table");
  }));
  CHECK(refused([](auto& r) { r.add_datasets()->set_kind("files"); }));
  CHECK(refused([](auto& r) {
    r.add_datasets()->set_kind("table");
    r.mutable_datasets(0)->set_rows(-1);
  }));
  CHECK_FALSE(refused([](auto& r) { r.add_datasets()->set_kind("images"); }));
}

}  // namespace
}  // namespace federity::testing
