#include "server/repositories/commits.h"

#include <catch2/catch.hpp>
#include <set>

#include "server/repositories/repositories.h"
#include "server/repositories/rows.h"
#include "server/repositories/text.h"

namespace federity::repositories {
namespace {

CommitStatement Statement() {
  return {.parent = "sha256:aa",
          .program_digest = "sha256:bb",
          .weights_digest = "sha256:cc",
          .plan_digest = "sha256:dd",
          .standardisation_digest = "sha256:ee",
          .round = 7,
          .message = ""};
}

}  // namespace

TEST_CASE("A commit's digest is over the documented statement", "[repositories]") {
  CHECK(CommitDigest(Statement()) ==
        crypto::Sha256("federity/commit/v1\nparent=sha256:aa\nprogram=sha256:bb\n"
                       "weights=sha256:cc\nplan=sha256:dd\nstandardisation=sha256:ee\nround=7\n"
                       "message="));
  CHECK(CommitDigest({.program_digest = "p",
                      .weights_digest = "w",
                      .plan_digest = "l",
                      .message = "two\nlines"}) ==
        crypto::Sha256("federity/commit/v1\nparent=\nprogram=p\nweights=w\nplan=l\n"
                       "standardisation=\nround=\nmessage=two\nlines"));
}

TEST_CASE("The example of docs/formats/commit.md has its digest", "[repositories]") {
  const auto digest = [](char digit) { return "sha256:" + std::string(64, digit); };
  CHECK(CommitDigest({.program_digest = digest('2'),
                      .weights_digest = digest('3'),
                      .plan_digest = digest('1'),
                      .message = "first"})
            .Hex() == "679b89c7576d53205f075761e309aa19e606f53114d58603d5c269a0ef8ef11c");
}

TEST_CASE("Every field is in a commit's digest", "[repositories]") {
  std::set<crypto::Digest> digests = {CommitDigest(Statement())};
  const auto add = [&](auto change) {
    CommitStatement statement = Statement();
    change(statement);
    CHECK(digests.insert(CommitDigest(statement)).second);
  };
  add([](CommitStatement& s) { s.parent = ""; });
  add([](CommitStatement& s) { s.program_digest = "sha256:b0"; });
  add([](CommitStatement& s) { s.weights_digest = "sha256:c0"; });
  add([](CommitStatement& s) { s.plan_digest = "sha256:d0"; });
  add([](CommitStatement& s) { s.standardisation_digest = ""; });
  add([](CommitStatement& s) { s.round = 8; });
  add([](CommitStatement& s) { s.round.reset(); });
  add([](CommitStatement& s) { s.message = "x"; });
}

TEST_CASE("Texts are counted in characters and hold no control characters", "[repositories]") {
  CHECK(CheckText("f", "grün", 4, false).ok());
  CHECK(!CheckText("f", "grüne", 4, false).ok());
  CHECK(CheckText("f", "a\n\tb", 10, true).ok());
  CHECK(!CheckText("f", "a\nb", 10, false).ok());
  CHECK(!CheckText("f", std::string("a\0b", 3), 10, true).ok());
  CHECK(!CheckText("f", "\x1b[31m", 10, true).ok());
}

TEST_CASE("Digests are read with and without their prefix", "[repositories]") {
  const std::string hex(64, 'a');
  CHECK(*NormaliseDigest(hex) == "sha256:" + hex);
  CHECK(*NormaliseDigest("sha256:" + hex) == "sha256:" + hex);
  CHECK(!NormaliseDigest("").ok());
  CHECK(!NormaliseDigest(hex + "a").ok());
  CHECK(!NormaliseDigest(std::string(64, 'A')).ok());
  CHECK(HexOfDigest("sha256:" + hex) == hex);
}

TEST_CASE("Arrays go through text unchanged", "[repositories]") {
  const std::vector<double> values = {0.1, -1.0 / 3, 1e-308, 12345678901234567.0};
  std::string text = FormatReals(values);
  CHECK(ParseReals(text.substr(1, text.size() - 2)) == values);
  CHECK(ParseReals("").empty());
  CHECK(ParseIntegers("1,-2,9223372036854775807") ==
        std::vector<int64_t>{1, -2, std::numeric_limits<int64_t>::max()});
}

TEST_CASE("Privacy lines say what the plan means", "[repositories]") {
  Plan plan;
  CHECK(PrivacyLines(plan)[1] == "coordinator sees single deltas: yes");
  CHECK(PrivacyLines(plan)[3] == "merges unproven updates: yes");
  plan.privacy.secure_aggregation = true;
  CHECK(PrivacyLines(plan)[1] == "coordinator sees single deltas: no (only their sum)");
  plan.proof.policy = Plan::ProofPolicy::kTraining;
  CHECK(PrivacyLines(plan)[3] == "merges unproven updates: no");
}

}  // namespace federity::repositories
