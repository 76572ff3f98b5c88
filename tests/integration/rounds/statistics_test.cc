#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "common/plan/standardisation.h"
#include "server/repositories/plans.h"
#include "server/rounds/statistics_cohort.h"
#include "server/statistics/statistics_run.h"
#include "tests/integration/rounds/round_fixture.h"

namespace federity::testing {
namespace {

Plan FederatedPlan() {
  Plan plan = RoundFixture::DefaultPlan();
  plan.data.standardise = Plan::Standardise::kFederated;
  return plan;
}

struct StatisticsFixture : RoundFixture {
  explicit StatisticsFixture(Plan plan = FederatedPlan(), int agents = 3)
      : RoundFixture(std::move(plan), agents) {}

  // Recruits at once if everybody is ready.
  absl::Status StartRun() {
    FEDERITY_RETURN_IF_ERROR(Try([&](store::Transaction& transaction) {
      return rounds::StartStatistics(transaction, repository(), agents()[0].id, now()).status();
    }));
    Step();
    return absl::OkStatus();
  }
  absl::Status Answer(const Agent& agent, const v1::SubmitStatisticsRequest& request,
                      int64_t run = 1) {
    return Try([&](store::Transaction& transaction) {
      return statistics::SubmitAnswer(transaction, repository(), agent.id, run, request,
                                      key_file(), now());
    });
  }
  statistics::RunRow GetRun(int64_t number = 0) {
    statistics::RunRow run;
    Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(run, statistics::GetRun(transaction, repository(), number));
      return absl::OkStatus();
    });
    return run;
  }
  std::optional<repositories::StandardisationRow> Current() {
    std::optional<repositories::StandardisationRow> row;
    Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(row,
                                repositories::CurrentStandardisation(transaction, repository()));
      return absl::OkStatus();
    });
    return row;
  }
};

std::vector<double> Rows(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> age(60, 12), creatinine(90, 30);
  std::vector<double> rows;
  for (size_t i = 0; i < count; ++i) {
    rows.push_back(age(random));
    rows.push_back(creatinine(random));
  }
  return rows;
}

TEST_CASE_METHOD(StatisticsFixture, "Federated statistics are those of the pooled rows",
                 "[statistics]") {
  REQUIRE(StartRun().ok());
  std::vector<double> pooled;
  for (size_t i = 0; i < 3; ++i) {
    const std::vector<double> rows = Rows(20 + 30 * i, static_cast<unsigned>(i));
    pooled.insert(pooled.end(), rows.begin(), rows.end());
    REQUIRE(Answer(agents()[i], Sums(rows)).ok());
  }
  Step();
  REQUIRE(GetRun().state == v1::StatisticsRun::FROZEN);
  const auto frozen = Current();
  REQUIRE(frozen.has_value());
  // Exactly what one site with all rows would have frozen …
  auto expected = *FreezeStandardisation({*ComputeFeatureSums(pooled, 2)}, 2);
  CHECK(frozen->values.mean == expected.mean);
  CHECK(frozen->values.sd == expected.sd);
  CHECK(frozen->values.examples == 150);
  CHECK(frozen->values.contributors == 3);
  CHECK(frozen->digest == GetRun().standardisation_digest);
  CHECK(frozen->signature ==
        StrCat("federity/standardisation/v1|", StandardisationDigest(frozen->values).view()));
  // … and what floating point says.
  for (size_t feature = 0; feature < 2; ++feature) {
    double mean = 0, square = 0;
    for (size_t i = feature; i < pooled.size(); i += 2) mean += pooled[i] / 150;
    for (size_t i = feature; i < pooled.size(); i += 2) {
      square += (pooled[i] - mean) * (pooled[i] - mean) / 150;
    }
    CHECK(frozen->values.mean[feature] == Approx(mean));
    CHECK(frozen->values.sd[feature] == Approx(std::sqrt(square)));
  }
  // Single sites' sums are gone.
  CHECK(Sql("SELECT 1 FROM statistics_answers WHERE sums IS NOT NULL").empty());
}

TEST_CASE_METHOD(StatisticsFixture, "The order of answers does not matter", "[statistics]") {
  std::vector<std::string> digests;
  for (const std::vector<size_t>& order : std::vector<std::vector<size_t>>{{0, 1, 2}, {2, 1, 0}}) {
    REQUIRE(StartRun().ok());
    for (const size_t i : order) {
      REQUIRE(Answer(agents()[i], Sums(Rows(40, static_cast<unsigned>(i))), GetRun().number).ok());
    }
    Step();
    digests.push_back(GetRun().standardisation_digest.value_or("none"));
  }
  CHECK(digests[0] == digests[1]);
  CHECK(digests[0] != "none");
}

TEST_CASE("Contributors with few rows abstain, whatever they send", "[statistics]") {
  StatisticsFixture fixture(FederatedPlan(), 4);
  auto& agents = fixture.agents();
  REQUIRE(fixture.StartRun().ok());
  REQUIRE(fixture.Answer(agents[0], fixture.Sums(Rows(19, 1))).ok());
  for (size_t i = 1; i < 4; ++i) {
    REQUIRE(fixture.Answer(agents[i], fixture.Sums(Rows(20, static_cast<unsigned>(i)))).ok());
  }
  CHECK(fixture
            .Sql("SELECT sums FROM statistics_answers WHERE member = $1",
                 store::Params().Text(agents[0].id))[0]
            .IsNull(0));
  fixture.Step();
  CHECK(fixture.GetRun().state == v1::StatisticsRun::FROZEN);
  CHECK(fixture.GetRun().abstained == 1);
  CHECK(fixture.GetRun().answered == 3);
  CHECK(fixture.Current()->values.examples == 60);
}

TEST_CASE_METHOD(StatisticsFixture, "Too few answers by the deadline fail the run",
                 "[statistics]") {
  REQUIRE(StartRun().ok());
  REQUIRE(Answer(agents()[0], Sums(Rows(50, 1))).ok());
  v1::SubmitStatisticsRequest abstain;
  abstain.set_abstain_reason("only 7 rows");
  REQUIRE(Answer(agents()[1], abstain).ok());
  Step();
  CHECK(GetRun().state == v1::StatisticsRun::COLLECTING);
  clock().Advance(statistics::kRunTime);
  CHECK(ReasonOf(Answer(agents()[2], Sums(Rows(50, 1)))) == v1::ERROR_REASON_CONTRIBUTION_LATE);
  Step();
  CHECK(GetRun().state == v1::StatisticsRun::FAILED);
  CHECK(GetRun().failure.find("1 organisations gave sums and 3 are needed") == 0);
  CHECK_FALSE(Current().has_value());
  CHECK(Sql("SELECT 1 FROM statistics_answers WHERE sums IS NOT NULL").empty());
}

TEST_CASE_METHOD(StatisticsFixture, "Answers that make no sense are refused", "[statistics]") {
  REQUIRE(StartRun().ok());
  v1::SubmitStatisticsRequest request = Sums(Rows(50, 1));
  request.mutable_features()->RemoveLast();
  CHECK(ReasonOf(Answer(agents()[0], request)) == v1::ERROR_REASON_INVALID_ARGUMENT);
  for (const std::string& sum : {std::string(), std::string("1000"), std::string(17, '\0'),
                                 std::string(16, '\x7f'), std::string(1 << 16, '9')}) {
    request = Sums(Rows(50, 1));
    request.mutable_features(0)->set_sum(sum);
    CHECK(ReasonOf(Answer(agents()[0], request)) == v1::ERROR_REASON_INVALID_ARGUMENT);
  }
  request = Sums(Rows(50, 1));
  request.mutable_features(1)->set_sum_of_squares(std::string(32, '\0'));  // a variance below zero
  CHECK(ReasonOf(Answer(agents()[0], request)) == v1::ERROR_REASON_INVALID_ARGUMENT);
  // None of it spoiled the run.
  REQUIRE(Answer(agents()[0], Sums(Rows(50, 1))).ok());
  CHECK(ReasonOf(Answer(agents()[0], Sums(Rows(50, 1)))) ==
        v1::ERROR_REASON_CONTRIBUTION_DUPLICATE);
  const Agent stranger = InsertMember("hospital-9", v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT);
  CHECK(ReasonOf(Answer(stranger, Sums(Rows(50, 1)))) == v1::ERROR_REASON_NOT_FOUND);
  CHECK(ReasonOf(Answer(agents()[1], Sums(Rows(50, 1)), 77)) == v1::ERROR_REASON_NOT_FOUND);
}

TEST_CASE_METHOD(StatisticsFixture, "A run needs a federated plan, enough agents and no other run",
                 "[statistics]") {
  REQUIRE(StartRun().ok());
  CHECK(ReasonOf(StartRun()) == v1::ERROR_REASON_ROUND_IN_PROGRESS);
  StatisticsFixture plain(RoundFixture::DefaultPlan());
  CHECK(ReasonOf(plain.StartRun()) == v1::ERROR_REASON_PLAN_INVALID);
  StatisticsFixture few(FederatedPlan(), 2);
  few.AddAgent("hospital-0");
  const absl::Status refused = few.StartRun();
  CHECK(ReasonOf(refused) == v1::ERROR_REASON_TOO_FEW_MEMBERS);
  CHECK(MetadataOf(refused)["members"].find("The hospital-1 (ready)") != std::string::npos);
}

TEST_CASE_METHOD(StatisticsFixture, "A run waits for agents as a round does", "[statistics]") {
  Disconnect(agents()[2]);
  REQUIRE(StartRun().ok());
  CHECK(GetRun().state == v1::StatisticsRun::COLLECTING);
  CHECK(GetRun().asked == 0);
  SECTION("and asks them once enough are there") {
    clock().Advance(absl::Seconds(30));
    Step();
    CHECK(GetRun().asked == 0);
    Connect(agents()[2]);
    Step();
    REQUIRE(GetRun().asked == 3);
    for (const Agent& agent : agents()) REQUIRE(Answer(agent, Sums(Rows(50, 1))).ok());
    Step();
    CHECK(GetRun().state == v1::StatisticsRun::FROZEN);
  }
  SECTION("and fails with the list when they do not come") {
    clock().Advance(statistics::kRecruitTime);
    Step();
    CHECK(GetRun().state == v1::StatisticsRun::FAILED);
    CHECK(GetRun().failure == "agents of 2 organisations were ready in time and 3 are needed");
    CHECK(GetRun().failure_members.find("The hospital-2 (offline since") != std::string::npos);
  }
  SECTION("and does without one that is away, after a moment") {
    AddAgent("hospital-3");
    Step();
    CHECK(GetRun().asked == 0);
    clock().Advance(absl::Seconds(10));
    Step();
    CHECK(GetRun().asked == 3);
  }
}

TEST_CASE_METHOD(StatisticsFixture, "A plan that changes under a run ends it", "[statistics]") {
  REQUIRE(StartRun().ok());
  Plan changed = FederatedPlan();
  changed.data.features = {"age", "sodium"};
  Run([&](store::Transaction& transaction) {
    return repositories::SetPlan(transaction, repository(), changed, std::nullopt, now()).status();
  });
  for (const Agent& agent : agents()) REQUIRE(Answer(agent, Sums(Rows(50, 1))).ok());
  Step();
  CHECK(GetRun().state == v1::StatisticsRun::FAILED);
  CHECK(GetRun().failure == "the plan was changed while sums were collected");
}

}  // namespace
}  // namespace federity::testing
