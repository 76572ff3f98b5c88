// Rounds through the API: real gRPC, real TLS, streams.
#include <catch2/catch.hpp>
#include <memory>

#include "federity/v1/contributions.grpc.pb.h"
#include "federity/v1/membership.grpc.pb.h"
#include "federity/v1/rounds.grpc.pb.h"
#include "federity/v1/statistics.grpc.pb.h"
#include "server/api/contribution_service.h"
#include "server/api/round_service.h"
#include "server/api/statistics_service.h"
#include "server/rounds/round_worker.h"
#include "server/statistics/statistics_run.h"
#include "tests/integration/rounds/round_fixture.h"

namespace federity::testing {
namespace {

using Contributions = v1::ContributionService::Stub;

// The services, made before the server and gone after it.
struct Api {
  std::unique_ptr<api::RoundService> rounds;
  std::unique_ptr<api::ContributionService> contributions;
  std::unique_ptr<api::StatisticsService> statistics;
  ApiFixture fixture{[this](ApiFixture& made, grpc::ServerBuilder& builder) {
    rounds = std::make_unique<api::RoundService>(made.dispatcher());
    contributions = std::make_unique<api::ContributionService>(made.dispatcher());
    statistics = std::make_unique<api::StatisticsService>(made.dispatcher(), made.key_file());
    builder.RegisterService(rounds.get());
    builder.RegisterService(contributions.get());
    builder.RegisterService(statistics.get());
  }};
  ~Api() {
    if (rounds != nullptr) rounds->Drain();
    if (contributions != nullptr) contributions->Drain();
  }
};

// An agent's stream.
class Watch {
 public:
  Watch(Contributions& stub, const v1::WatchAssignmentsRequest& request) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
    reader_ = stub.WatchAssignments(&context_, request);
  }
  ~Watch() {
    context_.TryCancel();
    if (!finished_) (void)reader_->Finish();
  }
  // The next event; throws at the end.
  v1::WatchAssignmentsResponse Next() {
    v1::WatchAssignmentsResponse event;
    if (!reader_->Read(&event)) throw std::runtime_error("the stream ended");
    return event;
  }
  // How it ends, past whatever still comes.
  grpc::Status End() {
    v1::WatchAssignmentsResponse event;
    while (reader_->Read(&event)) {
    }
    finished_ = true;
    return reader_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchAssignmentsResponse>> reader_;
  bool finished_ = false;
};

struct RoundApi : Api {
  explicit RoundApi(Plan plan = RoundFixture::DefaultPlan())
      : rig(std::move(plan), 0, &fixture), owner(fixture.MakeOwner("st-mary")) {
    for (int i = 0; i < 3; ++i) {
      members.push_back(Agent(StrCat("hospital-", i)));
      stubs.push_back(v1::ContributionService::NewStub(members.back().channel));
      rig.agents().push_back({StrCat("hospital-", i),
                              members.back().id,
                              Require(crypto::SigningKey::FromSeed(members.back().key.seed())),
                              {}});
    }
    owner_rounds = v1::RoundService::NewStub(owner.channel);
  }
  ApiFixture::Member Agent(const std::string& organization) {
    return fixture.MakeMember("st-mary", "heart", v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT,
                              organization);
  }
  v1::WatchAssignmentsRequest Greeting() {
    v1::WatchAssignmentsRequest request = rig.Greeting();
    request.set_parent(rig.repository_name());
    request.set_version("0.1.0");
    v1::DatasetSummary* dataset = request.add_datasets();
    dataset->set_label("dataset-1");
    dataset->set_kind("table");
    dataset->set_rows(200);
    return request;
  }
  std::vector<std::unique_ptr<Watch>> WatchAll() {
    std::vector<std::unique_ptr<Watch>> watches;
    for (auto& stub : stubs) watches.push_back(std::make_unique<Watch>(*stub, Greeting()));
    for (auto& watch : watches) {
      if (!watch->Next().has_repository()) throw std::runtime_error("no repository state first");
    }
    return watches;
  }
  absl::StatusOr<v1::Round> StartRound(int count = 1) {
    v1::StartRoundRequest request;
    request.set_parent(rig.repository_name());
    request.set_count(count);
    request.set_request_id(NewRequestId());
    v1::Round round;
    FEDERITY_RETURN_IF_ERROR(
        Call(*owner_rounds, &v1::RoundService::Stub::StartRound, request, &round));
    return round;
  }
  absl::StatusOr<v1::Round> Cancel() {
    v1::CancelRoundRequest request;
    request.set_name(StrCat(rig.repository_name(), "/rounds/latest"));
    request.set_reason("wrong plan");
    request.set_request_id(NewRequestId());
    v1::Round round;
    FEDERITY_RETURN_IF_ERROR(
        Call(*owner_rounds, &v1::RoundService::Stub::CancelRound, request, &round));
    return round;
  }
  v1::SubmitContributionRequest Submission(size_t i, int64_t round = 1) {
    auto request = rig.Submission(rig.agents()[i], DeltaBytes({kOne, 0, 0}, 0, 5), 10, round);
    request.set_request_id(NewRequestId());
    return request;
  }
  absl::StatusOr<v1::Contribution> Submit(size_t i, const v1::SubmitContributionRequest& request) {
    v1::Contribution contribution;
    FEDERITY_RETURN_IF_ERROR(
        Call(*stubs[i], &Contributions::SubmitContribution, request, &contribution));
    return contribution;
  }

  RoundFixture rig;
  ApiFixture::Member owner;
  std::vector<ApiFixture::Member> members;
  std::vector<std::unique_ptr<Contributions>> stubs;
  std::unique_ptr<v1::RoundService::Stub> owner_rounds;
};

TEST_CASE("A series runs over the API and is watched to its end", "[rounds][api]") {
  RoundApi api;
  rounds::RoundWorker worker(api.rig.Dependencies());
  worker.Start();
  auto watches = api.WatchAll();
  const v1::Round started = Require(api.StartRound(2));
  CHECK(started.name() == StrCat(api.rig.repository_name(), "/rounds/1"));

  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  v1::WatchRoundRequest watch;
  watch.set_name(StrCat(api.rig.repository_name(), "/rounds/latest"));
  watch.set_follow_series(true);
  const auto reader = api.owner_rounds->WatchRound(&context, watch);

  for (int64_t number = 1; number <= 2; ++number) {
    for (size_t i = 0; i < 3; ++i) {
      auto event = watches[i]->Next();
      while (!event.has_training()) event = watches[i]->Next();  // the head moved, too
      const v1::TrainingAssignment& training = event.training();
      CHECK(training.contribution() ==
            StrCat(api.rig.repository_name(), "/rounds/", number, "/contributions/",
                   api.rig.Contribution(api.rig.agents()[i], number).id));
      CHECK(training.base_commit().digest() == api.rig.Head().digest);
      CHECK(Require(ParsePlan(training.plan_toml())) == api.rig.plan());
      CHECK(training.seed() == api.rig.Round(number).seed);
    }
    for (size_t i = 0; i < 3; ++i) {
      v1::ReportProgressRequest progress;
      progress.set_name(StrCat(api.rig.repository_name(), "/rounds/", number, "/contributions/",
                               api.rig.Contribution(api.rig.agents()[i], number).id));
      progress.set_phase(v1::CONTRIBUTION_PHASE_TRAINING);
      progress.set_fraction(0.5);
      v1::ReportProgressResponse wanted;
      REQUIRE(Call(*api.stubs[i], &Contributions::ReportProgress, progress, &wanted).ok());
      CHECK(wanted.wanted());
    }
    for (size_t i = 0; i < 3; ++i) {
      const auto request = api.Submission(i, number);
      const v1::Contribution first = Require(api.Submit(i, request));
      // A repeated call has the first one's answer.
      CHECK(Require(api.Submit(i, request)).SerializeAsString() == first.SerializeAsString());
    }
    // The watch shows every round to its end.
    v1::WatchRoundResponse response;
    do {
      const bool more = reader->Read(&response);
      INFO(response.round().ShortDebugString());
      REQUIRE(more);
      CHECK(response.round().name() == StrCat(api.rig.repository_name(), "/rounds/", number));
    } while (response.round().state() != v1::Round::COMMITTED);
    CHECK(response.round().participants_size() == 3);
    CHECK(response.round().participants(0).status() == "accepted");
  }
  v1::WatchRoundResponse nothing;
  CHECK_FALSE(reader->Read(&nothing));
  CHECK(reader->Finish().ok());

  // The series ended: its cohort measures the new head, once.
  for (size_t i = 0; i < 3; ++i) {
    auto event = watches[i]->Next();
    while (!event.has_evaluation()) event = watches[i]->Next();
    CHECK(event.evaluation().commit().digest() == api.rig.Head().digest);
    v1::SubmitEvaluationRequest request;
    request.set_commit(event.evaluation().commit().name());
    request.mutable_metrics()->set_examples(10);
    request.mutable_metrics()->set_loss_sum(2);
    request.set_request_id(NewRequestId());
    v1::SubmitEvaluationResponse response;
    REQUIRE(Call(*api.stubs[i], &Contributions::SubmitEvaluation, request, &response).ok());
  }
  const auto metrics = api.rig.Head().metrics;
  REQUIRE(metrics.has_value());
  CHECK(metrics->contributors == 3);
  CHECK(metrics->loss_sum == Approx(6));
  Watch again(*api.stubs[0], api.Greeting());
  CHECK(again.Next().has_repository());
  api.contributions->hub().Beat();
  CHECK(again.Next().has_heartbeat());  // and no evaluation before it
  worker.Stop();
}

TEST_CASE("A newer stream of an agent ends the older", "[rounds][api]") {
  RoundApi api;
  Watch older(*api.stubs[0], api.Greeting());
  CHECK(older.Next().has_repository());
  Watch newer(*api.stubs[0], api.Greeting());
  CHECK(newer.Next().has_repository());
  CHECK(older.End().error_code() == grpc::StatusCode::ABORTED);
  api.contributions->hub().Beat();
  CHECK(newer.Next().has_heartbeat());
}

TEST_CASE("Removal cuts an agent's stream at once", "[rounds][api]") {
  RoundApi api;
  auto watches = api.WatchAll();
  v1::RemoveMemberRequest request;
  request.set_name(api.members[1].name);
  request.set_request_id(NewRequestId());
  google::protobuf::Empty empty;
  auto membership = v1::MembershipService::NewStub(api.owner.channel);
  REQUIRE(Call(*membership, &v1::MembershipService::Stub::RemoveMember, request, &empty).ok());
  const grpc::Status end = watches[1]->End();
  CHECK(ReasonOf(rpc::FromGrpc(end)) == v1::ERROR_REASON_MEMBER_REMOVED);
  // The others stay.
  api.contributions->hub().Beat();
  CHECK(watches[0]->Next().has_heartbeat());
  Watch again(*api.stubs[1], api.Greeting());
  CHECK_FALSE(again.End().ok());
}

TEST_CASE("Streams say who is there", "[rounds][api]") {
  RoundApi api;
  const auto online = [&] {
    return api.rig
        .Sql("SELECT count(*) FROM agents WHERE online_until > $1",
             store::Params().Time(api.rig.now()))[0]
        .Int(0);
  };
  {
    auto watches = api.WatchAll();
    CHECK(online() == 3);
    const auto row = api.rig.Sql("SELECT datasets->0->>'rows' FROM agents WHERE member = $1",
                                 store::Params().Text(api.members[0].id));
    CHECK(row[0].Text(0) == "200");
    api.fixture.clock().Advance(absl::Seconds(74));
    api.contributions->hub().Beat();
    api.fixture.clock().Advance(absl::Seconds(74));
    CHECK(online() == 3);
    api.fixture.clock().Advance(absl::Seconds(1));
    CHECK(online() == 0);  // nobody beat
    api.contributions->hub().Beat();
    CHECK(online() == 3);
    // Seen now, and written once a minute, not with every beat.
    const auto seen = store::Params().Time(api.rig.now());
    constexpr char kSeen[] = "SELECT 1 FROM members WHERE kind = 2 AND last_seen_at = $1";
    CHECK(api.rig.Sql(kSeen, seen).size() == 3);
    api.fixture.clock().Advance(absl::Seconds(30));
    api.contributions->hub().Beat();
    CHECK(api.rig.Sql(kSeen, seen).size() == 3);
    api.contributions->Drain();
    for (auto& watch : watches) {
      const grpc::Status end = watch->End();
      CHECK(ReasonOf(rpc::FromGrpc(end)) == v1::ERROR_REASON_SHUTTING_DOWN);
    }
  }
  Watch refused(*api.stubs[0], api.Greeting());
  CHECK(ReasonOf(rpc::FromGrpc(refused.End())) == v1::ERROR_REASON_SHUTTING_DOWN);
}

TEST_CASE("A cancelled round tells its agents", "[rounds][api]") {
  RoundApi api;
  auto watches = api.WatchAll();
  REQUIRE(api.StartRound().ok());
  api.rig.Step();
  std::vector<std::string> names;
  for (auto& watch : watches) names.push_back(watch->Next().training().contribution());
  CHECK(Require(api.Cancel()).state() == v1::Round::CANCELLED);
  for (size_t i = 0; i < 3; ++i) {
    const auto event = watches[i]->Next();
    CHECK(event.cancelled().name() == names[i]);
    CHECK(event.cancelled().reason() == "the round ended: cancelled: wrong plan");
  }
  CHECK(ReasonOf(api.Cancel().status()) == v1::ERROR_REASON_ROUND_STATE);
}

TEST_CASE("A stream that opens late gets what is assigned already", "[rounds][api]") {
  RoundApi api;
  {
    auto watches = api.WatchAll();
    REQUIRE(api.StartRound().ok());
    api.rig.Step();
    for (auto& watch : watches) CHECK(watch->Next().has_training());
  }
  Watch again(*api.stubs[2], api.Greeting());
  CHECK(again.Next().has_repository());
  CHECK(again.Next().has_training());
}

TEST_CASE("Contributions show others no more than they may see", "[rounds][api]") {
  RoundApi api;
  auto watches = api.WatchAll();
  REQUIRE(api.StartRound().ok());
  api.rig.Step();
  for (size_t i = 0; i < 3; ++i) REQUIRE(api.Submit(i, api.Submission(i)).ok());
  api.rig.Step();
  const auto get = [&](const std::shared_ptr<grpc::Channel>& channel,
                       size_t i) -> absl::StatusOr<v1::Contribution> {
    v1::GetContributionRequest request;
    request.set_name(StrCat(api.rig.repository_name(), "/rounds/1/contributions/",
                            api.rig.Contribution(api.rig.agents()[i]).id));
    auto stub = v1::ContributionService::NewStub(channel);
    v1::Contribution contribution;
    FEDERITY_RETURN_IF_ERROR(Call(*stub, &Contributions::GetContribution, request, &contribution));
    return contribution;
  };
  const v1::Contribution own = Require(get(api.members[0].channel, 0));
  CHECK(own.state() == v1::Contribution::ACCEPTED);
  CHECK(own.examples() == 10);
  CHECK(own.norm() == Approx(1));
  CHECK(own.base_metrics().loss_sum() == Approx(5));
  CHECK(ReasonOf(get(api.members[1].channel, 0).status()) == v1::ERROR_REASON_NOT_FOUND);
  const v1::Contribution maintained = Require(get(api.owner.channel, 0));
  CHECK(maintained.norm() == Approx(1));
  CHECK_FALSE(maintained.has_base_metrics());
  const auto auditor = api.fixture.MakeMember("st-mary", "heart", v1::ROLE_AUDITOR);
  const v1::Contribution audited = Require(get(auditor.channel, 0));
  CHECK(audited.norm() == 0);
  CHECK_FALSE(audited.has_base_metrics());

  const auto list = [&](const std::shared_ptr<grpc::Channel>& channel, int page) {
    auto stub = v1::ContributionService::NewStub(channel);
    std::vector<std::string> names;
    v1::ListContributionsRequest request;
    request.set_parent(StrCat(api.rig.repository_name(), "/rounds/-"));
    request.set_page_size(page);
    do {
      v1::ListContributionsResponse response;
      Require(Call(*stub, &Contributions::ListContributions, request, &response));
      for (const auto& contribution : response.contributions()) {
        names.push_back(contribution.name());
      }
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return names;
  };
  CHECK(list(api.owner.channel, 50).size() == 3);
  CHECK(list(api.owner.channel, 1) == list(api.owner.channel, 50));
  CHECK(list(api.members[0].channel, 50) == std::vector<std::string>{own.name()});
}

TEST_CASE("Rounds are listed newest first and found by name", "[rounds][api]") {
  RoundApi api;
  for (int i = 0; i < 5; ++i) {
    REQUIRE(api.StartRound().ok());
    REQUIRE(api.Cancel().ok());
  }
  v1::ListRoundsRequest list;
  list.set_parent(api.rig.repository_name());
  list.set_page_size(2);
  std::vector<std::string> names;
  do {
    v1::ListRoundsResponse response;
    REQUIRE(Call(*api.owner_rounds, &v1::RoundService::Stub::ListRounds, list, &response).ok());
    for (const v1::Round& round : response.rounds()) names.push_back(round.name());
    list.set_page_token(response.next_page_token());
  } while (!list.page_token().empty());
  REQUIRE(names.size() == 5);
  CHECK(names.front() == StrCat(api.rig.repository_name(), "/rounds/5"));
  CHECK(names.back() == StrCat(api.rig.repository_name(), "/rounds/1"));
  for (const char* id : {"0", "6", "-1", "01", "99999999999999999999", "first"}) {
    v1::GetRoundRequest get;
    get.set_name(StrCat(api.rig.repository_name(), "/rounds/", id));
    v1::Round round;
    CHECK(ReasonOf(Call(*api.owner_rounds, &v1::RoundService::Stub::GetRound, get, &round)) ==
          v1::ERROR_REASON_NOT_FOUND);
  }
  v1::StartRoundRequest by_agent;
  by_agent.set_parent(api.rig.repository_name());
  by_agent.set_request_id(NewRequestId());
  v1::Round round;
  auto agent_rounds = v1::RoundService::NewStub(api.members[0].channel);
  CHECK(ReasonOf(Call(*agent_rounds, &v1::RoundService::Stub::StartRound, by_agent, &round)) ==
        v1::ERROR_REASON_ROLE_REQUIRED);
}

TEST_CASE("Statistics run over the API", "[rounds][api][statistics]") {
  Plan plan = RoundFixture::DefaultPlan();
  plan.data.standardise = Plan::Standardise::kFederated;
  RoundApi api(plan);
  auto statistics = v1::StatisticsService::NewStub(api.owner.channel);
  v1::StartStatisticsRequest start;
  start.set_parent(api.rig.repository_name());
  start.set_request_id(NewRequestId());
  v1::StatisticsRun run;
  v1::GetStatisticsRequest get;
  get.set_name(StrCat(api.rig.repository_name(), "/statistics/latest"));
  // Nobody comes in time: maintainers read who was away, others do not.
  REQUIRE(Call(*statistics, &v1::StatisticsService::Stub::StartStatistics, start, &run).ok());
  CHECK(run.asked() == 0);
  api.fixture.clock().Advance(statistics::kRecruitTime);
  api.rig.Step();
  REQUIRE(Call(*statistics, &v1::StatisticsService::Stub::GetStatistics, get, &run).ok());
  CHECK(run.failure().find("never connected") != std::string::npos);
  auto agent_statistics = v1::StatisticsService::NewStub(api.members[0].channel);
  REQUIRE(Call(*agent_statistics, &v1::StatisticsService::Stub::GetStatistics, get, &run).ok());
  CHECK(run.failure() == "agents of 0 organisations were ready in time and 3 are needed");

  auto watches = api.WatchAll();
  start.set_request_id(NewRequestId());
  REQUIRE(Call(*statistics, &v1::StatisticsService::Stub::StartStatistics, start, &run).ok());
  api.rig.Step();
  std::vector<double> rows;
  for (int i = 0; i < 60; ++i) rows.push_back(i % 7);
  for (size_t i = 0; i < 3; ++i) {
    const auto event = watches[i]->Next();
    CHECK(event.statistics().run() == run.name());
    CHECK(event.statistics().min_rows() == 20);
    v1::SubmitStatisticsRequest answer = RoundFixture::Sums(rows);
    answer.set_name(run.name());
    answer.set_request_id(NewRequestId());
    auto stub = v1::StatisticsService::NewStub(api.members[i].channel);
    v1::SubmitStatisticsResponse response;
    REQUIRE(Call(*stub, &v1::StatisticsService::Stub::SubmitStatistics, answer, &response).ok());
  }
  api.rig.Step();
  REQUIRE(Call(*statistics, &v1::StatisticsService::Stub::GetStatistics, get, &run).ok());
  CHECK(run.asked() == 3);
  CHECK(run.state() == v1::StatisticsRun::FROZEN);
  CHECK(run.standardisation().examples() == 90);
  // Agents are told, and use it.
  for (auto& watch : watches) {
    CHECK(watch->Next().repository().standardisation().digest() == run.standardisation().digest());
  }
  v1::GetStandardisationRequest current;
  current.set_name(StrCat(api.rig.repository_name(), "/standardisations/current"));
  v1::Standardisation standardisation;
  REQUIRE(Call(*agent_statistics, &v1::StatisticsService::Stub::GetStandardisation, current,
               &standardisation)
              .ok());
  CHECK(standardisation.digest() == run.standardisation().digest());
  REQUIRE(api.StartRound().ok());
  api.rig.Step();
  CHECK(watches[0]->Next().training().standardisation().digest() == standardisation.digest());
}

TEST_CASE("Only agents of the repository may watch for assignments", "[rounds][api]") {
  RoundApi api;
  const auto ends_with = [&](const std::shared_ptr<grpc::Channel>& channel,
                             const v1::WatchAssignmentsRequest& request) {
    auto stub = v1::ContributionService::NewStub(channel);
    Watch watch(*stub, request);
    return ReasonOf(rpc::FromGrpc(watch.End()));
  };
  CHECK(ends_with(api.owner.channel, api.Greeting()) == v1::ERROR_REASON_ROLE_REQUIRED);
  const auto person = api.fixture.MakeMember("st-mary", "heart", v1::ROLE_CONTRIBUTOR);
  CHECK(ends_with(person.channel, api.Greeting()) == v1::ERROR_REASON_ROLE_REQUIRED);
  const auto elsewhere = api.fixture.MakeMember({.organization = "hospital",
                                                 .scope_organization = "st-mary",
                                                 .role = v1::ROLE_OWNER,
                                                 .kind = v1::MEMBER_KIND_AGENT});
  CHECK(ends_with(elsewhere.channel, api.Greeting()) == v1::ERROR_REASON_ROLE_REQUIRED);
  v1::WatchAssignmentsRequest bad = api.Greeting();
  bad.set_version(std::string(1000, 'x'));
  CHECK(ends_with(api.members[0].channel, bad) == v1::ERROR_REASON_INVALID_ARGUMENT);
  bad = api.Greeting();
  bad.set_parent("organizations/st-mary/repositories/other");
  CHECK(ends_with(api.members[0].channel, bad) == v1::ERROR_REASON_NOT_FOUND);
}

}  // namespace
}  // namespace federity::testing
