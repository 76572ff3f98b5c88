#include "client/agent/agent.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "common/contribution/contribution_statement.h"
#include "tests/unit/client/agent/world.h"

namespace federity::agent {
namespace {

void CheckSubmission(World& world, const v1::SubmitContributionRequest& submission) {
  CHECK(submission.name() == World::Contribution(1));
  CHECK(submission.examples() == 80);
  CHECK(submission.base_metrics().loss_sum() == 14.5);
  CHECK(submission.device() == "cpu");
  const std::string statement = contribution::BuildContributionStatement(
      submission.name(), crypto::Sha256("commit"), PlanDigest(world.plan),
      crypto::Sha256(world.trainer.delta()), 80);
  CHECK(crypto::VerifySignature(world.identities.key.public_key(), contribution::kContributionLabel,
                                statement, submission.signature()));
}

TEST_CASE("An assignment is trained, uploaded, signed and accepted", "[agent]") {
  World world;
  world.Prepare();
  world.coordinator.Send(world.Training());
  world.Start();
  REQUIRE(world.AwaitEvent("accepted"));
  CHECK(world.AwaitEmptyOutbox());

  const worker::v1::Request request = world.trainer.requests().back();
  REQUIRE(request.has_train());
  CHECK(request.train().seed() == 42);
  CHECK(request.train().plan_toml() == FormatPlan(world.plan));
  CHECK(request.train().datasets(0).path() == std::filesystem::canonical(world.data));
  CHECK(testing::ReadAll(request.train().program_path()) == world.program);
  CHECK(testing::ReadAll(request.train().weights_path()) == world.weights);
  CHECK(world.state->Get(kId).approval->rounds_used == 1);
  world.coordinator.Locked([&](auto&, auto& seen) {
    REQUIRE(seen.submissions.size() == 1);
    CheckSubmission(world, seen.submissions[0]);
    REQUIRE(seen.uploads.size() == 1);
    CHECK(seen.uploads.begin()->second.bytes == world.trainer.delta());
    CHECK(seen.offers.front().not_ready().empty());
    CHECK(seen.offers.front().datasets(0).rows() == 100);
    CHECK(seen.offers.front().SerializeAsString().find("patients") == std::string::npos);
  });
}

TEST_CASE("What a coordinator of a later version says besides is passed over", "[agent]") {
  World world;
  world.Prepare();
  v1::WatchAssignmentsResponse unknown_event;
  REQUIRE(unknown_event.MergeFromString("\xa2\x06\x02\x08\x01"));  // field 100: a message
  world.coordinator.Send(unknown_event);
  v1::WatchAssignmentsResponse training = world.Training();
  constexpr char kField99[] = "\x98\x06\x01";
  REQUIRE(training.MergeFromString(kField99));
  REQUIRE(training.mutable_training()->MergeFromString(kField99));
  REQUIRE(training.mutable_training()->mutable_base_commit()->MergeFromString(kField99));
  world.coordinator.Send(training);
  world.coordinator.Locked(
      [](auto& script, auto&) { script.outcome = static_cast<v1::Contribution::State>(99); });
  world.Start();
  // A state that it does not know is one on the way.
  REQUIRE(world.coordinator.Await([](const auto& seen) { return seen.outcomes >= 2; }));
  CHECK(world.outbox->List().size() == 1);
  world.coordinator.Locked(
      [](auto& script, auto&) { script.outcome = v1::Contribution::ACCEPTED; });
  REQUIRE(world.AwaitEvent("accepted"));
  CHECK(world.AwaitEmptyOutbox());
}

TEST_CASE("Nothing runs unless exactly this plan and program are approved", "[agent]") {
  World world;
  world.AddDataset();
  const size_t before = world.trainer.requests().size();
  std::string reason = "not approved";
  v1::WatchAssignmentsResponse event = world.Training();
  SECTION("no approval at all") { reason = "waiting for approval"; }
  SECTION("another plan, whatever digests the coordinator states") {
    world.Approve();
    Plan other = world.plan;
    other.training.learning_rate *= 2;
    event.mutable_training()->set_plan_toml(FormatPlan(other));
    reason = "is not the approved one";
  }
  SECTION("another program") {
    world.Approve();
    event.mutable_training()->mutable_base_commit()->set_program_digest(
        crypto::Sha256("evil").ToString());
    reason = "is not the approved one";
  }
  SECTION("a plan that does not parse") {
    world.Approve();
    event.mutable_training()->set_plan_toml("[data");
    reason = "could not go on";
  }
  SECTION("an approval that has expired") {
    world.Approve({{"expires", "1h"}});
    world.clock.Set(world.clock.Now() + absl::Hours(1));
    reason = "approval expired";
  }
  SECTION("outside of the hours") {
    world.Approve({{"hours", "20:00-06:00"}});
    reason = "outside 20:00-06:00";
  }
  world.coordinator.Send(event);
  world.Start();
  REQUIRE(world.coordinator.Await([](const auto& seen) { return !seen.abandoned.empty(); }));
  world.coordinator.Locked([&](auto&, auto& seen) {
    CHECK_THAT(seen.abandoned[0].reason(), Catch::Contains(reason));
    CHECK(seen.submissions.empty());
    CHECK(seen.download_offsets.empty());
  });
  CHECK(world.trainer.requests().size() == before);
}

TEST_CASE("A program whose bytes are not the approved ones never runs", "[agent]") {
  World world;
  world.Prepare();
  world.coordinator.Locked([](auto& script, auto&) {
    script.parts[{kCommit, v1::COMMIT_PART_PROGRAM}] = "evil  bytes!!";
    script.declared_digest = script.program_digest;
  });
  const size_t before = world.trainer.requests().size();
  world.coordinator.Send(world.Training());
  world.Start();
  REQUIRE(world.coordinator.Await([](const auto& seen) { return !seen.abandoned.empty(); }));
  CHECK(world.trainer.requests().size() == before);
}

TEST_CASE("A cached program that the disk changed is fetched again", "[agent]") {
  World world;
  world.Prepare();
  world.coordinator.Send(world.Training(1));
  world.Start();
  REQUIRE(world.AwaitEvent("accepted", "round 1"));
  world.dir.Write("cache/" + crypto::Sha256(world.program).Hex(), "damaged bytes");
  world.coordinator.Send(world.Training(2));
  REQUIRE(world.AwaitEvent("accepted", "round 2"));
  CHECK(testing::ReadAll(world.trainer.requests().back().train().program_path()) == world.program);
  world.coordinator.Locked([](auto&, auto& seen) { CHECK(seen.download_offsets.size() == 3); });
}

// Every point between "trained" and "accepted" at which a process can die.
TEST_CASE("The outbox goes on at the step where it was cut", "[agent]") {
  using Step = state::OutboxEntry::Step;
  const Step step = GENERATE(Step::kTrained, Step::kUploaded, Step::kSubmitted);
  const bool half_uploaded = GENERATE(false, true);
  World world;
  world.Prepare();
  const size_t before = world.trainer.requests().size();
  state::OutboxEntry entry;
  entry.contribution = World::Contribution(1);
  entry.identity = kId;
  entry.repository = kRepository;
  entry.base_commit_digest = crypto::Sha256("commit").ToString();
  entry.plan_digest = PlanDigest(world.plan).ToString();
  entry.delta_digest = crypto::Sha256(world.trainer.delta()).ToString();
  entry.examples = 80;
  entry.base_metrics = v1::Metrics();
  entry.base_metrics.set_loss_sum(14.5);
  entry.device = "cpu";
  entry.upload_request_id = "upload-1";
  entry.submit_request_id = "submit-1";
  REQUIRE(world.outbox->Add(entry, world.dir.Write("delta", world.trainer.delta())).ok());
  if (half_uploaded || step != Step::kTrained) {
    world.coordinator.Locked([&](auto& script, auto&) {
      if (step == Step::kTrained) script.upload_breaks = {1'234'567};
    });
    transfer::TransferOptions options{.give_up_after = absl::ZeroDuration()};
    const auto upload =
        transfer::UploadFile(world.coordinator.channel(), kRepository,
                             world.outbox->DeltaPath(entry.contribution), "upload-1", options);
    CHECK(upload.ok() == (step != Step::kTrained));
    entry.upload = upload.value_or("");
  }
  entry.step = step;
  REQUIRE(world.outbox->Update(entry).ok());

  world.coordinator.Send(world.Training());  // assigned still: not trained twice
  world.Start();
  REQUIRE(world.AwaitEvent("accepted"));
  CHECK(world.AwaitEmptyOutbox());
  CHECK(world.trainer.requests().size() == before);
  world.coordinator.Locked([&](auto&, auto& seen) {
    CHECK(seen.submissions.size() == (step == Step::kSubmitted ? 0 : 1));
    for (const auto& submission : seen.submissions) {
      CHECK(submission.request_id() == "submit-1");
      CheckSubmission(world, submission);
    }
    if (step != Step::kSubmitted)
      CHECK(seen.uploads.begin()->second.bytes == world.trainer.delta());
    if (step == Step::kTrained && half_uploaded) CHECK(seen.write_offsets.back() == 1'234'567);
  });
}

TEST_CASE("Agent trains again what the disk damaged", "[agent]") {
  World world;
  world.Prepare();
  const size_t before = world.trainer.requests().size();
  state::OutboxEntry entry;
  entry.contribution = World::Contribution(1);
  entry.identity = kId;
  entry.repository = kRepository;
  entry.delta_digest = crypto::Sha256(world.trainer.delta()).ToString();
  REQUIRE(world.outbox->Add(entry, world.dir.Write("delta", "damaged")).ok());
  world.coordinator.Send(world.Training());
  world.Start();
  REQUIRE(world.AwaitEvent("accepted"));
  CHECK(world.trainer.requests().size() == before + 1);
  world.coordinator.Locked([&](auto&, auto& seen) {
    CHECK(seen.uploads.begin()->second.bytes == world.trainer.delta());
  });
}

TEST_CASE("A lost answer to a submission is asked for again with the same request id", "[agent]") {
  World world;
  world.Prepare();
  world.coordinator.Locked([](auto& script, auto&) { script.lose_submit_answers = 2; });
  world.coordinator.Send(world.Training());
  world.Start();
  REQUIRE(world.AwaitEvent("accepted"));
  world.coordinator.Locked([](auto&, auto& seen) {
    REQUIRE(seen.submissions.size() == 3);
    CHECK(seen.submissions[0].SerializeAsString() == seen.submissions[2].SerializeAsString());
  });
}

TEST_CASE("A refusal is told, settles the entry, and the agent goes on", "[agent]") {
  World world;
  world.Prepare();
  SECTION("at submission") {
    world.coordinator.Locked([](auto& script, auto&) {
      script.submit = Error(v1::ERROR_REASON_CONTRIBUTION_LATE, "the round closed before");
    });
    world.coordinator.Send(world.Training());
    world.Start();
    CHECK(world.AwaitEvent("dropped", "the round closed before"));
    world.coordinator.Locked([](auto& script, auto&) { script.submit = absl::OkStatus(); });
  }
  SECTION("at verification") {
    world.coordinator.Locked([](auto& script, auto&) {
      script.outcome = v1::Contribution::REFUSED;
      script.refusal = "its norm is too large";
    });
    world.coordinator.Send(world.Training());
    world.Start();
    CHECK(world.AwaitEvent("refused", "its norm is too large"));
    world.coordinator.Locked(
        [](auto& script, auto&) { script.outcome = v1::Contribution::ACCEPTED; });
  }
  CHECK(world.AwaitEmptyOutbox());
  world.coordinator.Send(world.Training(2));
  CHECK(world.AwaitEvent("accepted", "round 2"));
}

TEST_CASE("The trainer stops when the contribution is no longer wanted", "[agent]") {
  World world;
  world.Prepare();
  world.trainer.Hold(true);
  world.coordinator.Send(world.Training());
  world.Start();
  REQUIRE(world.trainer.AwaitRequests(2));  // after the data set's check
  SECTION("as the answer to its progress says") {
    world.coordinator.Locked(
        [](auto& script, auto&) { script.unwanted.insert(World::Contribution(1)); });
  }
  SECTION("as its stream says") {
    v1::WatchAssignmentsResponse event;
    event.mutable_cancelled()->set_name(World::Contribution(1));
    event.mutable_cancelled()->set_reason("the round closed");
    world.coordinator.Send(event);
  }
  CHECK(world.AwaitEvent("dropped", "the round closed"));
  world.coordinator.Locked([](auto&, auto& seen) { CHECK(seen.abandoned.empty()); });
}

TEST_CASE("A trainer's failure gives up one assignment, in words without data", "[agent]") {
  World world;
  world.Prepare();
  world.trainer.Fail(trainer::Failure(trainer::kDataInvalid, "row 3 of /data/patients.csv: 'x'"));
  world.coordinator.Send(world.Training(1));
  world.Start();
  REQUIRE(world.AwaitEvent("failed", "row 3"));
  world.coordinator.Locked([](auto&, auto& seen) {
    REQUIRE(seen.abandoned.size() == 1);
    CHECK_THAT(seen.abandoned[0].reason(), Catch::Contains("DATA_INVALID"));
    CHECK_THAT(seen.abandoned[0].reason(), !Catch::Contains("patients"));
  });
  world.trainer.Fail(absl::OkStatus());
  world.coordinator.Send(world.Training(2));
  CHECK(world.AwaitEvent("accepted", "round 2"));
  CHECK(world.state->Get(kId).approval->rounds_used == 1);
}

TEST_CASE("A file that changed stops training until it is refreshed", "[agent]") {
  World world;
  world.Prepare();
  SECTION("before the daemon starts") {
    world.dir.Write("patients.csv", "age,outcome\n2,no\n");
    world.Start();
  }
  SECTION("while the daemon is idle") {
    world.Start();
    REQUIRE(world.AwaitOffer(""));
    world.dir.Write("patients.csv", "age,outcome\n2,no\n");
    world.state->SetPaused(false).IgnoreError();  // wakes the housekeeper
  }
  SECTION("before an assignment") {
    world.Start();
    REQUIRE(world.AwaitOffer(""));
    world.dir.Write("patients.csv", "age,outcome\n2,no\n");
    world.coordinator.Send(world.Training());
  }
  SECTION("during training") {
    world.trainer.During([&] { world.dir.Write("patients.csv", "age,outcome\n2,no\n"); });
    world.coordinator.Send(world.Training());
    world.Start();
  }
  SECTION("because it is gone") {
    std::filesystem::remove(world.data);
    world.Start();
  }
  REQUIRE(world.AwaitEvent("data set changed"));
  CHECK(world.AwaitOffer("data set changed; run `federity-agent dataset refresh`"));
  world.coordinator.Locked([](auto&, auto& seen) { CHECK(seen.submissions.empty()); });

  world.trainer.During({});
  world.dir.Write("patients.csv", "age,outcome\n3,no\n");
  REQUIRE(world.Command("dataset refresh").ok());
  CHECK(world.AwaitOffer(""));
  world.coordinator.Send(world.Training(2));
  CHECK(world.AwaitEvent("accepted", "round 2"));
}

TEST_CASE("A file that was only touched trains on", "[agent]") {
  World world;
  world.Prepare();
  std::filesystem::last_write_time(
      world.data, std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  world.coordinator.Send(world.Training());
  world.Start();
  CHECK(world.AwaitEvent("accepted"));
}

TEST_CASE("Rounds are counted durably and only so many run", "[agent]") {
  World world;
  world.AddDataset();
  world.Approve({{"rounds", 2}});
  for (const int round : {1, 2}) {
    world.coordinator.Send(world.Training(round));
    world.Start();
    REQUIRE(world.AwaitEvent("accepted", StrCat("round ", round)));
    world.Stop();
  }
  world.coordinator.Send(world.Training(3));
  world.Start();
  CHECK(world.AwaitOffer("all 2 approved rounds are used"));
  REQUIRE(world.coordinator.Await([](const auto& seen) { return !seen.abandoned.empty(); }));
  world.coordinator.Locked([](auto&, auto& seen) { CHECK(seen.submissions.size() == 2); });
}

TEST_CASE("A round counted just before a crash is not counted twice", "[agent]") {
  World world;
  world.AddDataset();
  world.Approve({{"rounds", 1}});
  REQUIRE(world.state
              ->Update(kId,
                       [](state::Membership& membership) {
                         membership.approval->rounds_used = 1;
                         membership.approval->last_counted = World::Contribution(1);
                         return absl::OkStatus();
                       })
              .ok());
  world.coordinator.Send(world.Training(1));
  world.Start();
  CHECK(world.AwaitEvent("accepted"));
  CHECK(world.state->Get(kId).approval->rounds_used == 1);
}

TEST_CASE("Hours open and close the stream's readiness", "[agent]") {
  World world;
  world.AddDataset();
  world.Approve({{"hours", "20:00-06:00"}});
  world.Start();
  CHECK(world.AwaitOffer("outside 20:00-06:00"));
  world.clock.Set(world.clock.Now() + absl::Hours(8));
  world.state->SetPaused(false).IgnoreError();  // wakes the housekeeper
  CHECK(world.AwaitOffer(""));
}

TEST_CASE("Pause and revoke stop what runs and tell the coordinator", "[agent]") {
  World world;
  world.Prepare();
  world.trainer.Hold(true);
  world.coordinator.Send(world.Training());
  world.Start();
  REQUIRE(world.trainer.AwaitRequests(2));
  std::string offer = "paused";
  std::string reason = "paused";
  SECTION("pause") { REQUIRE(world.Command("pause").ok()); }
  SECTION("pause of the agent") { REQUIRE(world.Command("pause", nlohmann::json::object()).ok()); }
  SECTION("revoke") {
    REQUIRE(world.Command("revoke").ok());
    offer = "waiting for approval";
    reason = "waiting for approval";
  }
  REQUIRE(world.coordinator.Await([](const auto& seen) { return !seen.abandoned.empty(); }));
  world.coordinator.Locked([&](auto&, auto& seen) { CHECK(seen.abandoned[0].reason() == reason); });
  CHECK(world.AwaitOffer(offer));
}

TEST_CASE("Stopping in the middle of training abandons nothing", "[agent]") {
  World world;
  world.Prepare();
  world.trainer.Hold(true);
  world.coordinator.Send(world.Training());
  world.Start();
  REQUIRE(world.trainer.AwaitRequests(2));
  world.Stop();
  world.coordinator.Locked([](auto&, auto& seen) { CHECK(seen.abandoned.empty()); });
  world.trainer.Hold(false);
  world.coordinator.Send(world.Training());  // as the coordinator does on a new stream
  world.Start();
  CHECK(world.AwaitEvent("accepted"));
}

TEST_CASE("Progress is reported while training and waiting", "[agent]") {
  World world;
  world.Prepare();
  world.trainer.Hold(true);
  world.coordinator.Send(world.Training(1));
  world.coordinator.Send(world.Training(2));
  world.Start();
  CHECK(world.coordinator.Await([](const auto& seen) {
    std::set<std::string> reported;
    for (const auto& progress : seen.progress) reported.insert(progress.name());
    return reported.size() == 2;
  }));
  const auto status = world.Command("status");
  REQUIRE(status.ok());
  CHECK(status->at("work").at("kind") == "training");
  CHECK(status->at("queued") == 1);
  world.trainer.Hold(false);
  CHECK(world.AwaitEvent("accepted", "round 2"));
}

TEST_CASE("A long upload reports how far it is", "[agent]") {
  World world;
  world.Prepare();
  world.coordinator.Locked([](auto& script, auto&) { script.hold_upload_at = 1; });
  world.coordinator.Send(world.Training(1));
  world.Start();
  CHECK(world.coordinator.Await([](const auto& seen) {
    return std::any_of(seen.progress.begin(), seen.progress.end(), [](const auto& report) {
      return report.phase() == v1::CONTRIBUTION_PHASE_UPLOADING && report.fraction() > 0 &&
             report.fraction() < 1;
    });
  }));
  const auto status = world.Command("status");
  REQUIRE(status.ok());
  CHECK(status->at("work").at("phase") == "uploading");
  world.coordinator.Locked([](auto& script, auto&) { script.hold_upload_at = -1; });
  CHECK(world.AwaitEvent("accepted", "round 1"));
}

TEST_CASE("Assignments of other repositories and malformed ones are refused", "[agent]") {
  World world;
  world.Prepare();
  const size_t before = world.trainer.requests().size();
  v1::WatchAssignmentsResponse event = world.Training();
  SECTION("contribution elsewhere") {
    event.mutable_training()->set_contribution(
        "organizations/x/repositories/y/rounds/1/contributions/c");
  }
  SECTION("no resource name") { event.mutable_training()->set_contribution("../../etc"); }
  SECTION("commit elsewhere") {
    event.mutable_training()->mutable_base_commit()->set_name(
        "organizations/x/repositories/y/commits/abc123");
  }
  SECTION("sizes that make no sense") {
    event.mutable_training()->mutable_base_commit()->set_weights_bytes(-1);
  }
  SECTION("larger than the cache") {
    event.mutable_training()->mutable_base_commit()->set_weights_bytes(int64_t{1} << 39);
  }
  SECTION("digests that are none") {
    event.mutable_training()->mutable_base_commit()->set_weights_digest("../../x");
  }
  world.coordinator.Send(event);
  world.Start();
  CHECK(world.AwaitEvent("failed"));
  CHECK(world.trainer.requests().size() == before);
}

}  // namespace
}  // namespace federity::agent
