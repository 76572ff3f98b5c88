#include "client/cli/remedy.h"

#include <catch2/catch.hpp>

#include "absl/strings/cord.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "google/rpc/error_details.pb.h"

namespace federity::cli {
namespace {

TEST_CASE("An error says what was wrong and what to try", "[cli]") {
  CHECK(ErrorText(Error(v1::ERROR_REASON_MEMBER_REMOVED, "you were removed")) ==
        "error: you were removed\n  try: ask an owner for a new invitation");
  CHECK(ErrorText(NotFound("organizations/o/repositories/r")) ==
        "error: o/r does not exist, or you may not know that it does");
  CHECK(ErrorText(absl::UnavailableError("refused")) == "error: refused\n  try: federity doctor");
  CHECK(ErrorText(absl::InternalError("broken")) == "error: broken");
  CHECK(ErrorText(absl::InternalError("")) == "error: unknown");
}

TEST_CASE("A reason of a later version leaves the message", "[cli]") {
  google::rpc::ErrorInfo info;
  info.set_reason("MOON_IS_FULL");
  info.set_domain("federity");
  absl::Status status = absl::FailedPreconditionError("wait for the new moon");
  status.SetPayload(ToAbsl(kErrorInfoUrl), absl::Cord(info.SerializeAsString()));
  CHECK(ReasonOf(status) == v1::ERROR_REASON_UNSPECIFIED);
  CHECK(ErrorText(status) == "error: wait for the new moon");
}

TEST_CASE("A message that names the remedy is not repeated", "[cli]") {
  CHECK(ErrorText(Error(v1::ERROR_REASON_STANDARDISATION_MISSING, "run federity stats run o/r")) ==
        "error: run federity stats run o/r");
}

TEST_CASE("A coordinator's words can't steer the terminal", "[cli]") {
  const std::string text = ErrorText(absl::InternalError("a\x1b[2Jb\nc"));
  CHECK(text == "error: a\xEF\xBF\xBD[2Jb c");
}

}  // namespace
}  // namespace federity::cli
