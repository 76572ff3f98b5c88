#include <algorithm>
#include <chrono>
#include <semaphore>

#include "common/base/strings.h"
#include "common/plan/plan.h"
#include "federity/v1/server.grpc.pb.h"
#include "server/repositories/plans.h"
#include "tests/integration/repositories/repository_fixture.h"

namespace federity::testing {
namespace {

absl::Status GetRepository(const ApiFixture::Member& member, const std::string& name,
                           v1::Repository* repository) {
  v1::GetRepositoryRequest request;
  request.set_name(name);
  auto stub = v1::RepositoryService::NewStub(member.channel);
  return Call(*stub, &v1::RepositoryService::Stub::GetRepository, request, repository);
}

v1::ListRepositoriesResponse List(const ApiFixture::Member& member, int page_size = 0,
                                  const std::string& token = "") {
  v1::ListRepositoriesRequest request;
  request.set_page_size(page_size);
  request.set_page_token(token);
  v1::ListRepositoriesResponse response;
  auto stub = v1::RepositoryService::NewStub(member.channel);
  REQUIRE(Call(*stub, &v1::RepositoryService::Stub::ListRepositories, request, &response).ok());
  return response;
}

absl::Status SetPlan(const ApiFixture::Member& member, const std::string& repository,
                     const std::string& toml, v1::Plan* plan) {
  v1::SetPlanRequest request;
  request.set_parent(repository);
  request.set_toml(toml);
  request.set_request_id(NewRequestId());
  auto stub = v1::PlanService::NewStub(member.channel);
  return Call(*stub, &v1::PlanService::Stub::SetPlan, request, plan);
}

absl::Status GetPlan(const ApiFixture::Member& member, const std::string& name, v1::Plan* plan) {
  v1::GetPlanRequest request;
  request.set_name(name);
  auto stub = v1::PlanService::NewStub(member.channel);
  return Call(*stub, &v1::PlanService::Stub::GetPlan, request, plan);
}

}  // namespace

TEST_CASE_METHOD(RepositoryFixture, "A repository is made, shown and listed", "[repositories]") {
  v1::Repository repository;
  REQUIRE(GetRepository(owner_, name_, &repository).ok());
  CHECK(repository.name() == "organizations/st-mary/repositories/heart");
  CHECK(repository.description() == "A model of hearts");
  CHECK(repository.head().empty());
  CHECK(repository.program_digest().empty());
  CHECK(repository.plan_digest() == PlanDigest(*ParsePlan(kPlan)).ToString());
  CHECK(repository.member_count() == 1);
  CHECK(repository.caller_role() == v1::ROLE_OWNER);
  REQUIRE(repository.privacy_lines_size() == 4);
  CHECK(repository.privacy_lines(0) == "coordinator sees data: no");

  // The plan is kept in its canonical form.
  v1::Plan plan;
  REQUIRE(GetPlan(owner_, repository.plan(), &plan).ok());
  CHECK(plan.toml() == FormatPlan(*ParsePlan(kPlan)));
  CHECK(plan.digest() == repository.plan_digest());
  CHECK(plan.creator() == owner_.name);

  const Member viewer = MakeMember(v1::ROLE_VIEWER);
  REQUIRE(GetRepository(viewer, name_, &repository).ok());
  CHECK(repository.caller_role() == v1::ROLE_VIEWER);
  CHECK(repository.member_count() == 2);
  CHECK(List(viewer).repositories_size() == 1);

  for (const char* id : {"aorta", "lung", "brain"}) {
    REQUIRE(CreateRepository(id, &repository).ok());
  }
  const v1::ListRepositoriesResponse first = List(owner_, 3);
  REQUIRE(first.repositories_size() == 3);
  CHECK(first.repositories(0).name() == "organizations/st-mary/repositories/aorta");
  CHECK(first.repositories(2).name() == "organizations/st-mary/repositories/heart");
  const v1::ListRepositoriesResponse second = List(owner_, 3, first.next_page_token());
  REQUIRE(second.repositories_size() == 1);
  CHECK(second.next_page_token().empty());
  CHECK(List(viewer).repositories_size() == 1);
}

TEST_CASE_METHOD(RepositoryFixture, "Bad repositories are refused by name", "[repositories]") {
  v1::Repository repository;
  CheckReason(CreateRepository("heart", &repository), v1::ERROR_REASON_ALREADY_EXISTS);
  for (const char* id : {"", "Heart", "-a", "a/b", "a b"}) {
    CheckReason(CreateRepository(id, &repository), v1::ERROR_REASON_INVALID_ARGUMENT);
  }
  CheckReason(CreateRepository("x", &repository, "nonsense = 1"), v1::ERROR_REASON_PLAN_INVALID);
  CheckReason(CreateRepository("x", &repository, "[data"), v1::ERROR_REASON_PLAN_INVALID);
  CHECK(api_.Sql("SELECT 1 FROM repositories WHERE name = 'x'").empty());
}

TEST_CASE_METHOD(RepositoryFixture, "Nobody else learns that a repository exists",
                 "[repositories]") {
  const Member stranger = api_.MakeOwner("other");
  v1::Repository repository;
  CheckReason(GetRepository(stranger, name_, &repository), v1::ERROR_REASON_NOT_FOUND);
  const absl::Status real = GetRepository(stranger, name_, &repository);
  const absl::Status none =
      GetRepository(stranger, "organizations/st-mary/repositories/nope", &repository);
  CHECK(real.code() == none.code());
  CHECK(List(stranger).repositories_size() == 0);
  const Member viewer = MakeMember(v1::ROLE_VIEWER);
  v1::Plan plan;
  CheckReason(SetPlan(viewer, name_, kPlan, &plan), v1::ERROR_REASON_ROLE_REQUIRED);
}

TEST_CASE_METHOD(RepositoryFixture, "Plans follow each other", "[repositories]") {
  v1::Plan first;
  REQUIRE(GetPlan(owner_, name_ + "/plans/current", &first).ok());
  // Clock and plan differ; the order is that of time.
  api_.clock().Advance(absl::Seconds(1));
  v1::Plan second;
  const std::string changed = std::string(kPlan) + "[training]\nepochs = 3\n";
  REQUIRE(SetPlan(owner_, name_, changed, &second) == absl::OkStatus());
  CHECK(second.digest() != first.digest());
  v1::Plan plan;
  REQUIRE(GetPlan(owner_, name_ + "/plans/current", &plan).ok());
  CHECK(plan.digest() == second.digest());
  REQUIRE(GetPlan(owner_, first.name(), &plan).ok());
  CHECK(plan.toml() == first.toml());
  CheckReason(GetPlan(owner_, name_ + "/plans/" + std::string(64, '0'), &plan),
              v1::ERROR_REASON_NOT_FOUND);
  CheckReason(GetPlan(owner_, name_ + "/plans/xyz", &plan), v1::ERROR_REASON_INVALID_ARGUMENT);

  // The first one again is the newest again; the same one twice changes nothing.
  api_.clock().Advance(absl::Seconds(1));
  REQUIRE(SetPlan(owner_, name_, kPlan, &plan).ok());
  CHECK(plan.digest() == first.digest());
  api_.clock().Advance(absl::Seconds(1));
  v1::Plan same;
  REQUIRE(SetPlan(owner_, name_, kPlan, &same).ok());
  CHECK(same.create_time().seconds() == plan.create_time().seconds());

  auto stub = v1::PlanService::NewStub(owner_.channel);
  v1::ListPlansRequest request;
  request.set_parent(name_);
  request.set_page_size(1);
  v1::ListPlansResponse page;
  REQUIRE(Call(*stub, &v1::PlanService::Stub::ListPlans, request, &page).ok());
  REQUIRE(page.plans_size() == 1);
  CHECK(page.plans(0).digest() == first.digest());
  request.set_page_token(page.next_page_token());
  REQUIRE(Call(*stub, &v1::PlanService::Stub::ListPlans, request, &page).ok());
  REQUIRE(page.plans_size() == 1);
  CHECK(page.plans(0).digest() == second.digest());
  CHECK(page.next_page_token().empty());
}

TEST_CASE_METHOD(RepositoryFixture, "No plan changes under a round", "[repositories]") {
  MustPush("", "program", Weights({1, 2}));
  StartRound();
  v1::Plan plan;
  const std::string changed = std::string(kPlan) + "[training]\nepochs = 3\n";
  CheckReason(SetPlan(owner_, name_, changed, &plan), v1::ERROR_REASON_ROUND_IN_PROGRESS);
  EndRound(4);
  CHECK(SetPlan(owner_, name_, changed, &plan).ok());
}

TEST_CASE_METHOD(RepositoryFixture, "A plan with other inputs drops the standardisation",
                 "[repositories]") {
  std::string digest;
  REQUIRE(api_.database()
              .RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
                auto set = repositories::SetStandardisation(
                    transaction, id_,
                    {.mean = {0.1, -2.5}, .sd = {1.0 / 3, 1e-9}, .examples = 90, .contributors = 3},
                    "signature", api_.clock().Now());
                if (set.ok()) digest = *set;
                return set.status();
              })
              .ok());
  const auto current = [&] {
    std::optional<repositories::StandardisationRow> row;
    REQUIRE(api_.database()
                .RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
                  auto found = repositories::CurrentStandardisation(transaction, id_);
                  if (!found.ok()) return found.status();
                  row = *std::move(found);
                  return absl::OkStatus();
                })
                .ok());
    return row;
  };
  REQUIRE(current().has_value());
  CHECK(current()->digest == digest);
  CHECK(current()->values.mean == std::vector<double>{0.1, -2.5});
  CHECK(current()->values.sd == std::vector<double>{1.0 / 3, 1e-9});
  CHECK(StandardisationDigest(current()->values).ToString() == digest);
  CHECK(current()->signature == "signature");

  v1::Plan plan;
  REQUIRE(SetPlan(owner_, name_, std::string(kPlan) + "[training]\nepochs = 3\n", &plan).ok());
  CHECK(current().has_value());
  std::string other = kPlan;
  other.replace(other.find("creatinine"), 10, "sodium");
  REQUIRE(SetPlan(owner_, name_, other, &plan).ok());
  CHECK(!current().has_value());
}

TEST_CASE_METHOD(RepositoryFixture, "A deleted repository is gone for everybody",
                 "[repositories]") {
  MustPush("", "program", Weights({1, 2}));
  StartRound();
  const Member viewer = MakeMember(v1::ROLE_VIEWER);
  const std::string half = [&] {
    v1::Upload upload;
    REQUIRE(CreateUpload(owner_, 10, crypto::Sha256("x").ToString(), &upload).ok());
    return upload.name();
  }();
  v1::DeleteRepositoryRequest request;
  request.set_name(name_);
  request.set_request_id(NewRequestId());
  google::protobuf::Empty empty;
  {
    auto stub = v1::RepositoryService::NewStub(viewer.channel);
    CheckReason(Call(*stub, &v1::RepositoryService::Stub::DeleteRepository, request, &empty),
                v1::ERROR_REASON_ROLE_REQUIRED);
  }
  std::counting_semaphore<> woken(0);
  const std::string topic = "member:" + viewer.id;
  const auto subscription = api_.database().Subscribe(topic, [&] { woken.release(); });
  // Once one came, the subscription stands.
  REQUIRE(api_.database()
              .RunInTransaction([&](store::Transaction& t) { return t.Notify(topic); })
              .ok());
  REQUIRE(woken.try_acquire_for(std::chrono::seconds(20)));
  while (woken.try_acquire()) {
  }
  auto stub = v1::RepositoryService::NewStub(owner_.channel);
  REQUIRE(Call(*stub, &v1::RepositoryService::Stub::DeleteRepository, request, &empty) ==
          absl::OkStatus());
  // The streams of its members end at once.
  CHECK(woken.try_acquire_for(std::chrono::seconds(20)));

  v1::Repository repository;
  CheckReason(GetRepository(owner_, name_, &repository), v1::ERROR_REASON_NOT_FOUND);
  CHECK(!GetRepository(viewer, name_, &repository).ok());
  v1::Upload upload;
  CheckReason(GetUpload(owner_, half, &upload), v1::ERROR_REASON_NOT_FOUND);
  CHECK(List(owner_).repositories_size() == 0);
  const store::Rows rows = api_.Sql(
      "SELECT blob_key_wrapped IS NULL, (SELECT state FROM rounds WHERE repository = $1), "
      "(SELECT count(*) FROM audit_events WHERE scope_repository = $1 AND action = "
      "'DeleteRepository' AND outcome = 'ok') FROM repositories WHERE id = $1",
      store::Params().Text(id_));
  CHECK(rows.at(0).Bool(0));
  CHECK(rows.at(0).Int(1) == 6);
  CHECK(rows.at(0).Int(2) == 1);
  CHECK(!std::filesystem::exists(folder_ / "blobs" / id_));
  // Its history is the organisation's, from its creation to its deletion.
  v1::ListAuditEventsRequest audit;
  audit.set_parent("organizations/st-mary");
  v1::ListAuditEventsResponse events;
  REQUIRE(Call(*v1::ServerService::NewStub(owner_.channel),
               &v1::ServerService::Stub::ListAuditEvents, audit, &events) == absl::OkStatus());
  std::vector<std::string> actions;
  for (const v1::AuditEvent& event : events.audit_events()) actions.push_back(event.action());
  REQUIRE(actions.size() > 3);
  CHECK(actions.front() == "DeleteRepository");
  CHECK(actions.back() == "CreateRepository");
  CHECK(std::count(actions.begin(), actions.end(), "CreateCommit") == 1);
  // The name is free again.
  REQUIRE(CreateRepository("heart", &repository).ok());
  CHECK(repository.head().empty());
}

}  // namespace federity::testing
