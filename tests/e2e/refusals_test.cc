// What is refused, and that the round goes on without it.

#include <catch2/catch.hpp>
#include <deque>
#include <limits>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "client/identity/call.h"
#include "common/base/errors.h"
#include "common/crypto/digest.h"
#include "common/crypto/secret.h"
#include "common/tensor/plain_delta.h"
#include "federity/v1/uploads.grpc.pb.h"
#include "tests/e2e/federation.h"
#include "tests/e2e/rogue_agent.h"

namespace federity::e2e {
namespace {

using nlohmann::json;

constexpr auto kRepository = Hospitals::kRepository;
constexpr int32_t kOne = 1 << 24;  // in a delta's units

std::string WdbcPlan() { return ReadText(DemoFile("plan-wdbc.toml")); }

// State and reason of each contribution of a round, by organisation.
std::map<std::string, std::string> Outcomes(Federation& federation, int round) {
  std::map<std::string, std::string> organizations, outcomes;
  const json members = federation.Json("owner", {"member", "list", kRepository});
  for (const json& member : members.at("members")) {
    organizations[member.at("name")] = member.at("organization_display_name");
  }
  const json list = federation.Json(
      "owner", {"contribution", "list", kRepository, "--round", std::to_string(round)});
  for (const json& contribution : list.at("contributions")) {
    const std::string state = contribution.at("state"), reason = contribution.at("refusal_reason");
    outcomes[organizations.at(contribution.at("member"))] =
        reason.empty() ? state : std::string(state).append(" ").append(reason);
  }
  return outcomes;
}

std::string WronglyShaped(const RogueAgent& rogue) {
  std::vector<tensor::TensorInfo> tensors = rogue.weights().tensors;
  std::swap(tensors[0].shape[0], tensors[0].shape[1]);
  const auto spec =
      *tensor::PlainDeltaSpec(*tensor::MakeTensorSpec(tensor::kWeightsEncoding, tensors));
  return tensor::EncodeHeader(spec) + std::string(static_cast<size_t>(spec.data_bytes()), '\0');
}

}  // namespace

TEST_CASE("Whatever an agent hands in, the round goes on", "[e2e]") {
  Hospitals hospitals;
  Federation& federation = hospitals.federation;
  const std::map<std::string, std::string> expected = {
      {"Cut", "REFUSED DELTA_MALFORMED"},        {"Rubbish", "REFUSED DELTA_MALFORMED"},
      {"Large", "REFUSED DELTA_MALFORMED"},      {"Shape", "REFUSED TENSORS_MISMATCH"},
      {"Norm", "REFUSED DELTA_NORM_EXCEEDED"},   {"NaN", "REFUSED METRICS_INVALID"},
      {"Weight", "REFUSED SIGNATURE_INVALID"},   {"Twice", "ACCEPTED"},
      {"Unwilling", "ABANDONED"},                {"Hospital 1", "ACCEPTED"},
      {"Hospital 2", "ACCEPTED"},                {"Hospital 3", "ACCEPTED"},
  };
  std::map<std::string, RogueAgent> rogues;
  for (const auto& [organization, outcome] : expected) {
    if (organization.starts_with("Hospital")) continue;
    rogues.try_emplace(organization, federation, kRepository, organization)
        .first->second.Connect();
  }
  federation.Do("owner", {"round", "start", kRepository});
  std::map<std::string, v1::TrainingAssignment> work;
  for (auto& [organization, rogue] : rogues) work[organization] = rogue.AwaitTraining();

  const std::string good = rogues.at("Twice").Delta(1);
  const auto submit = [&](const std::string& organization, const std::string& delta) {
    RogueAgent& rogue = rogues.at(organization);
    CHECK(rogue.Submit(rogue.Prepare(work.at(organization), delta, 10)).ok());
  };
  submit("Cut", good.substr(0, good.size() - 4));
  submit("Rubbish", std::string(good.size(), '\xff'));
  submit("Large", good + std::string(1 << 20, 'x'));
  submit("Shape", WronglyShaped(rogues.at("Shape")));
  submit("Norm", rogues.at("Norm").Delta(11 * kOne));  // max_update_norm = 10
  submit("Twice", good);
  {
    RogueAgent& rogue = rogues.at("Twice");
    const auto again = rogue.Submit(rogue.Prepare(work.at("Twice"), rogue.Delta(2), 10));
    CHECK(ReasonOf(again.status()) == v1::ERROR_REASON_CONTRIBUTION_DUPLICATE);
    // Another member's contribution does not exist for it.
    auto stolen = work.at("Unwilling");
    const auto theirs = rogue.Submit(rogue.Prepare(stolen, rogue.Delta(2), 10));
    CHECK(absl::IsNotFound(theirs.status()));
  }
  {
    RogueAgent& rogue = rogues.at("NaN");
    auto request = rogue.Prepare(work.at("NaN"), good, 10);
    request.mutable_base_metrics()->set_examples(10);
    request.mutable_base_metrics()->set_loss_sum(std::numeric_limits<double>::quiet_NaN());
    CHECK(rogue.Submit(request).ok());
  }
  {
    RogueAgent& rogue = rogues.at("Weight");
    auto request = rogue.Prepare(work.at("Weight"), good, 10);
    request.set_examples(100'000);  // more than was signed for
    CHECK(rogue.Submit(request).ok());
  }
  CHECK(rogues.at("Unwilling").Abandon(work.at("Unwilling").contribution()).ok());

  const json round = federation.Watch(kRepository);
  CHECK(round.at("state") == "COMMITTED");
  CHECK(round.at("accepted") == 4);
  CHECK(federation.Head(kRepository).at("contributions") == 4);
  auto outcomes = Outcomes(federation, 1);
  CHECK(outcomes == expected);
  // Their operators' owner reads why.
  const std::string shown = federation.Do("owner", {"contribution", "list", kRepository});
  CHECK(shown.find("norm") != std::string::npos);
}

TEST_CASE("An update that comes after the round closed is late", "[e2e]") {
  Hospitals hospitals(Edited(WdbcPlan(), "min_contributions = 3",
                             "min_contributions = 3\ntarget_contributions = 3"));
  Federation& federation = hospitals.federation;
  RogueAgent slow(federation, kRepository, "Slow");
  slow.Connect();
  federation.Do("owner", {"round", "start", kRepository});
  const v1::TrainingAssignment work = slow.AwaitTraining();
  const auto request = slow.Prepare(work, slow.Delta(kOne), 10);
  CHECK(federation.Watch(kRepository).at("state") == "COMMITTED");
  const json head = federation.Head(kRepository);
  CHECK(ReasonOf(slow.Submit(request).status()) == v1::ERROR_REASON_CONTRIBUTION_LATE);
  CHECK(Outcomes(federation, 1).at("Slow").starts_with("ABANDONED"));
  CHECK(federation.Head(kRepository).at("digest") == head.at("digest"));
}

TEST_CASE("A training that diverges is given up by its agent and the model stays", "[e2e]") {
  Hospitals hospitals(
      Edited(WdbcPlan(), "learning_rate = 0.05", "learning_rate = 1000000000000.0"));
  Federation& federation = hospitals.federation;
  federation.Do("owner", {"round", "start", kRepository, "--count", "5"});
  const json round = federation.Watch(kRepository);
  CHECK(round.at("state") == "FAILED");
  CHECK(round.at("failure_reason") == "TOO_FEW_CONTRIBUTIONS");
  // A failed round stops its series.
  CHECK(federation.Json("owner", {"round", "list", kRepository}).at("rounds").size() == 1);
  CHECK(federation.Head(kRepository).at("version") == 1);
  const json list = federation.Json("owner", {"contribution", "list", kRepository});
  REQUIRE(list.at("contributions").size() == 3);
  for (const json& contribution : list.at("contributions")) {
    CHECK(contribution.at("state") == "ABANDONED");
    CHECK_FALSE(contribution.at("refusal").get<std::string>().empty());
  }
}

TEST_CASE("A round that could never succeed is refused at its start", "[e2e]") {
  Federation federation;
  const std::string plan = WdbcPlan();
  federation.CreateRepository(kRepository, DemoFile("models/wdbc.pt"), plan);
  const auto refused = [&](std::vector<std::string> arguments, const std::string& says) {
    const Finished finished = federation.Try("owner", std::move(arguments));
    INFO(finished.out << finished.err);
    CHECK(finished.status == 1);
    CHECK(finished.err.find(says) != std::string::npos);
  };
  const std::vector<std::string> start = {"round", "start", kRepository};
  refused(start, "federity stats run");
  const std::vector<std::string> rows = DealBreastCancer(3);
  federation.AddTableAgent(kRepository, "Hospital 1", rows[0]);
  federation.AddTableAgent(kRepository, "Hospital 2", rows[1]);
  refused({"stats", "run", kRepository}, "3");
  federation.SetPlan(kRepository, Edited(plan, "standardise = \"federated\"\n", ""));
  refused(start, "Hospital 2");  // the list of those who could
  CHECK(federation.Json("owner", {"round", "list", kRepository}).at("rounds").empty());

  // Policies that are not there yet are refused, not ignored.
  const std::string file = (federation.directory() / "later.toml").string();
  WriteText(file, plan + "\n[proof]\npolicy = \"training\"\n");
  refused({"plan", "set", kRepository, file}, "this version does not have");
  WriteText(file, plan + "\n[privacy]\nsecure_aggregation = true\n");
  refused({"plan", "set", kRepository, file}, "this version does not have");
}

TEST_CASE("An upload beyond the limit is refused before its first byte", "[e2e]") {
  Federation federation;
  federation.CreateRepository(kRepository, DemoFile("models/wdbc.pt"), WdbcPlan());
  RogueAgent rogue(federation, kRepository, "Large");
  v1::UploadService::Stub stub(rogue.channel());
  v1::CreateUploadRequest request;
  request.set_parent(rogue.repository_name());
  request.set_digest(crypto::Sha256("x").ToString());
  for (const int64_t bytes : {int64_t{1} << 50, std::numeric_limits<int64_t>::max()}) {
    request.set_size_bytes(bytes);
    request.set_request_id(crypto::RandomUuid());
    const auto upload = identity::Call(stub, &v1::UploadService::Stub::CreateUpload, request);
    CHECK(ReasonOf(upload.status()) == v1::ERROR_REASON_UPLOAD_TOO_LARGE);
  }
  request.set_size_bytes(-1);
  request.set_request_id(crypto::RandomUuid());
  CHECK(absl::IsInvalidArgument(
      identity::Call(stub, &v1::UploadService::Stub::CreateUpload, request).status()));
}

TEST_CASE("The same cohort in two orders of arrival gives the same model", "[e2e]") {
  Federation federation;
  const std::string plan = Edited(WdbcPlan(), "standardise = \"federated\"\n", "");
  std::vector<std::string> digests;
  for (const std::vector<size_t>& order : {std::vector<size_t>{0, 1, 2}, {2, 0, 1}}) {
    const std::string repository = "st-mary/order-" + std::to_string(digests.size());
    federation.CreateRepository(repository, DemoFile("models/wdbc.pt"), plan);
    std::deque<RogueAgent> agents;  // their deltas and weights differ
    for (const char* name : {"A", "B", "C"}) {
      agents.emplace_back(federation, repository, name).Connect();
    }
    federation.Do("owner", {"round", "start", repository});
    for (const size_t i : order) {
      RogueAgent& agent = agents[i];
      const v1::TrainingAssignment work = agent.AwaitTraining();
      const int32_t q = 1'000'003 * (static_cast<int32_t>(i) - 1) + 7;
      const auto done = agent.Submit(agent.Prepare(work, agent.Delta(q), 10 + 7 * static_cast<int64_t>(i)));
      REQUIRE(done.ok());
    }
    REQUIRE(federation.Watch(repository).at("state") == "COMMITTED");
    digests.push_back(federation.Head(repository).at("weights_digest"));
  }
  CHECK(digests[0] == digests[1]);
}

}  // namespace federity::e2e
