// Every refusal of an update, with the round going on.
#include <catch2/catch.hpp>
#include <limits>

#include "tests/integration/rounds/round_fixture.h"

namespace federity::testing {
namespace {

// Four agents; the last one is up to no good.
struct BadAgent : RoundFixture {
  BadAgent() : RoundFixture(DefaultPlan(), 4) {
    Start();
    if (Round().state != v1::Round::TRAINING) throw std::runtime_error("not training");
  }
  const Agent& bad() { return agents()[3]; }
  // The others do their part; the round commits without the bad one.
  void GoesOn(std::string_view reason, v1::Contribution::State state = v1::Contribution::REFUSED) {
    for (size_t i = 0; i < 3; ++i) Contribute(agents()[i], {1, 2, 3});
    Step();
    const rounds::ContributionRow row = Contribution(bad());
    CHECK(row.state == state);
    CHECK(row.refusal_reason == reason);
    CHECK_FALSE(row.refusal.empty());
    CHECK(Round().state == v1::Round::COMMITTED);
    CHECK(Head().contribution_count == 3);
  }
  void SubmitBad(const std::string& delta) { Require(Submit(bad(), Submission(bad(), delta, 10))); }
};

const std::string kGood = DeltaBytes({1, 1, 1}, 0, 5);

TEST_CASE_METHOD(BadAgent, "A truncated update is refused", "[rounds]") {
  SubmitBad(kGood.substr(0, kGood.size() - 4));
  GoesOn("DELTA_MALFORMED");
}

TEST_CASE_METHOD(BadAgent, "An oversized update is refused", "[rounds]") {
  SubmitBad(kGood + std::string(100'000, 'x'));
  GoesOn("DELTA_MALFORMED");
}

TEST_CASE_METHOD(BadAgent, "Bytes that are no update are refused", "[rounds]") {
  SubmitBad(std::string(kGood.size(), '\xff'));
  GoesOn("DELTA_MALFORMED");
}

TEST_CASE_METHOD(BadAgent, "An update of the wrong shape is refused", "[rounds]") {
  auto tensors = ModelSpec().tensors;
  tensors[0].shape = {3, 1};
  const auto spec =
      *tensor::PlainDeltaSpec(*tensor::MakeTensorSpec(tensor::kWeightsEncoding, tensors));
  SubmitBad(tensor::EncodeHeader(spec) + std::string(static_cast<size_t>(spec.data_bytes()), '\0'));
  GoesOn("TENSORS_MISMATCH");
}

TEST_CASE_METHOD(BadAgent, "An update beyond the norm is refused", "[rounds]") {
  SubmitBad(DeltaBytes({11 * kOne, 0, 0}, 0, 5));  // max_update_norm = 10
  GoesOn("DELTA_NORM_EXCEEDED");
}

TEST_CASE_METHOD(BadAgent, "Metrics that are not finite are refused", "[rounds]") {
  auto request = Submission(bad(), kGood, 10);
  request.mutable_base_metrics()->set_loss_sum(std::numeric_limits<double>::quiet_NaN());
  const auto row = Require(Submit(bad(), request));
  CHECK(row.state == v1::Contribution::REFUSED);
  CHECK(row.base_examples == 0);  // what is absurd is not kept
  GoesOn("METRICS_INVALID");
}

TEST_CASE_METHOD(BadAgent, "Impossible example counts are refused", "[rounds]") {
  auto request = Submission(bad(), kGood, 0);
  Require(Submit(bad(), request));
  GoesOn("METRICS_INVALID");
}

TEST_CASE_METHOD(BadAgent, "A signature over something else is refused", "[rounds]") {
  auto request = Submission(bad(), kGood, 10);
  request.set_examples(1000);  // more weight than was signed for
  Require(Submit(bad(), request));
  GoesOn("SIGNATURE_INVALID");
}

TEST_CASE_METHOD(BadAgent, "Another member's key does not sign", "[rounds]") {
  auto request = Submission(bad(), kGood, 10);
  Sign(agents()[0], crypto::Sha256(kGood), Round(), request);
  Require(Submit(bad(), request));
  GoesOn("SIGNATURE_INVALID");
}

TEST_CASE_METHOD(BadAgent, "A second update of one member is refused, the first stays",
                 "[rounds]") {
  Require(Submit(bad(), Submission(bad(), kGood, 10)));
  const auto again = Submit(bad(), Submission(bad(), DeltaBytes({9, 9, 9}, 0, 5), 10));
  CHECK(ReasonOf(again.status()) == v1::ERROR_REASON_CONTRIBUTION_DUPLICATE);
  for (size_t i = 0; i < 3; ++i) Contribute(agents()[i], {1, 2, 3});
  Step();
  CHECK(Contribution(bad()).state == v1::Contribution::ACCEPTED);
  CHECK(Contribution(bad()).delta_digest == crypto::Sha256(kGood).ToString());
  CHECK(Head().contribution_count == 4);
}

TEST_CASE_METHOD(BadAgent, "An update after the deadline is late", "[rounds]") {
  const auto request = Submission(bad(), kGood, 10);
  for (size_t i = 0; i < 3; ++i) Contribute(agents()[i], {1, 2, 3});
  clock().Advance(absl::Minutes(10));
  // Before the machine has looked, and after.
  CHECK(ReasonOf(Submit(bad(), request).status()) == v1::ERROR_REASON_CONTRIBUTION_LATE);
  Step();
  CHECK(Round().state == v1::Round::COMMITTED);
  CHECK(ReasonOf(Submit(bad(), request).status()) == v1::ERROR_REASON_CONTRIBUTION_LATE);
  CHECK(Contribution(bad()).state == v1::Contribution::ABANDONED);
}

TEST_CASE_METHOD(BadAgent, "An upload that is incomplete or another's is no contribution",
                 "[rounds]") {
  auto request = Submission(bad(), kGood, 10);
  const std::string own = request.upload();
  request.set_upload(Upload(agents()[0], kGood));
  CHECK(ReasonOf(Submit(bad(), request).status()) == v1::ERROR_REASON_NOT_FOUND);
  request.set_upload("organizations/st-mary/repositories/heart/uploads/nonsense");
  CHECK(ReasonOf(Submit(bad(), request).status()) == v1::ERROR_REASON_NOT_FOUND);
  Sql("UPDATE uploads SET complete = false WHERE member = $1", store::Params().Text(bad().id));
  request.set_upload(own);
  CHECK(ReasonOf(Submit(bad(), request).status()) == v1::ERROR_REASON_UPLOAD_INCOMPLETE);
  CHECK(Contribution(bad()).state == v1::Contribution::ASSIGNED);
  // The same call succeeds once the upload is there.
  Sql("UPDATE uploads SET complete = true");
  CHECK(Submit(bad(), request).ok());
}

TEST_CASE_METHOD(BadAgent, "Another member's contribution does not exist", "[rounds]") {
  rounds::ContributionRef ref = Ref(agents()[0]);
  ref.member = bad().id;
  ref.contribution_key = bad().key.public_key();
  const auto request = Submission(bad(), kGood, 10);
  const absl::Status status = Try([&](store::Transaction& transaction) {
    return rounds::SubmitContribution(transaction, ref, request, now()).status();
  });
  CHECK(ReasonOf(status) == v1::ERROR_REASON_NOT_FOUND);
  for (const char* id : {"", "x", "'; DROP TABLE rounds; --"}) {
    ref.id = id;
    CHECK(ReasonOf(Try([&](store::Transaction& transaction) {
            return rounds::AbandonContribution(transaction, ref, "", now()).status();
          })) == v1::ERROR_REASON_NOT_FOUND);
  }
}

TEST_CASE_METHOD(BadAgent, "An update that the disk lost is refused, not waited for", "[rounds]") {
  Require(Submit(bad(), Submission(bad(), DeltaBytes({6, 6, 6}, 0, 5), 10)));
  Require(blobs().DeleteBlob(repository(), crypto::Sha256(DeltaBytes({6, 6, 6}, 0, 5))));
  GoesOn("BLOB_CORRUPT");
}

TEST_CASE_METHOD(BadAgent, "An agent that gives up lets the round go on", "[rounds]") {
  const rounds::ContributionRef ref = Ref(bad());
  Run([&](store::Transaction& transaction) {
    return rounds::AbandonContribution(transaction, ref, "weight w: NaN does not fit", now())
        .status();
  });
  GoesOn("", v1::Contribution::ABANDONED);
  CHECK(Contribution(bad()).refusal == "weight w: NaN does not fit");
  // What was handed in can't be given up.
  const rounds::ContributionRef other = Ref(agents()[0]);
  CHECK(ReasonOf(Try([&](store::Transaction& transaction) {
          return rounds::AbandonContribution(transaction, other, "", now()).status();
        })) == v1::ERROR_REASON_ROUND_STATE);
}

TEST_CASE("A round with too few good updates fails and says why", "[rounds]") {
  RoundFixture fixture;
  fixture.Start(2);
  fixture.Contribute(fixture.agents()[0], {1, 2, 3});
  fixture.Contribute(fixture.agents()[1], {1, 2, 3});
  const auto request =
      fixture.Submission(fixture.agents()[2], DeltaBytes({11 * kOne, 0, 0}, 0, 5), 10);
  Require(fixture.Submit(fixture.agents()[2], request));
  fixture.Step();
  const rounds::RoundRow round = fixture.Round();
  CHECK(round.state == v1::Round::FAILED);
  CHECK(round.failure_reason == "TOO_FEW_CONTRIBUTIONS");
  CHECK(round.failure ==
        "contributions of 2 organisations were accepted and 3 are needed (of 3 contributions 2 "
        "accepted, 1 refused, 0 given up)");
  CHECK(round.series_ended);
  CHECK(fixture.Sql("SELECT 1 FROM rounds").size() == 1);
  CHECK(fixture.Head().digest == fixture.base());
}

}  // namespace
}  // namespace federity::testing
