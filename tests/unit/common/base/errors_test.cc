#include "common/base/errors.h"

#include <catch2/catch.hpp>

#include "common/base/strings.h"

namespace federity {
namespace {

TEST_CASE("An error carries reason, metadata and the reason's code", "[base]") {
  const absl::Status status =
      Error(v1::ERROR_REASON_ROUND_STATE, "the round is over", {{"state", "COMMITTED"}});
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(ToStd(status.message()) == "the round is over");
  CHECK(ReasonOf(status) == v1::ERROR_REASON_ROUND_STATE);
  CHECK(MetadataOf(status) == ErrorMetadata{{"state", "COMMITTED"}});
}

TEST_CASE("Every reason of the catalogue has a code and a name of its own", "[base]") {
  for (int value = v1::ErrorReason_MIN; value <= v1::ErrorReason_MAX; ++value) {
    if (!v1::ErrorReason_IsValid(value) || value == v1::ERROR_REASON_UNSPECIFIED) continue;
    const auto reason = static_cast<ErrorReason>(value);
    INFO(ReasonName(reason));
    const absl::Status status = Error(reason, "x");
    CHECK_FALSE(status.ok());
    // INTERNAL is what the table says for a reason that it lacks.
    CHECK((status.code() == absl::StatusCode::kInternal) == (reason == v1::ERROR_REASON_INTERNAL));
    CHECK(ReasonOf(status) == reason);
    CHECK(ReasonFromName(ReasonName(reason)) == reason);
  }
  CHECK(ReasonName(v1::ERROR_REASON_ROUND_STATE) == "ROUND_STATE");
  CHECK(ReasonFromName("OF_A_LATER_VERSION") == v1::ERROR_REASON_UNSPECIFIED);
}

TEST_CASE("Statuses without a reason", "[base]") {
  CHECK(ReasonOf(absl::OkStatus()) == v1::ERROR_REASON_UNSPECIFIED);
  CHECK(ReasonOf(absl::NotFoundError("x")) == v1::ERROR_REASON_INTERNAL);
  CHECK(MetadataOf(absl::NotFoundError("x")).empty());
}

TEST_CASE("The shorthands name field and resource", "[base]") {
  CHECK(MetadataOf(InvalidArgument("name", "bad")).at("field") == "name");
  CHECK(InvalidArgument("name", "bad").code() == absl::StatusCode::kInvalidArgument);
  CHECK(NotFound("organizations/o").code() == absl::StatusCode::kNotFound);
  CHECK(MetadataOf(NotFound("organizations/o")).at("resource") == "organizations/o");
}

TEST_CASE("Annotating keeps code, reason and metadata", "[base]") {
  const absl::Status status = Annotate(Error(v1::ERROR_REASON_NOT_FOUND, "x", {{"a", "b"}}), "y");
  CHECK(ToStd(status.message()) == "y: x");
  CHECK(ReasonOf(status) == v1::ERROR_REASON_NOT_FOUND);
  CHECK(MetadataOf(status).at("a") == "b");
  CHECK(Annotate(absl::OkStatus(), "y").ok());
}

TEST_CASE("Metadata survives bytes that are not UTF-8 and is bounded", "[base]") {
  const absl::Status status = InvalidArgument(std::string(10'000, 'f') + "\xff", "x");
  CHECK(ReasonOf(status) == v1::ERROR_REASON_INVALID_ARGUMENT);
  CHECK(MetadataOf(status).at("field").size() == 2000);
  CHECK(MetadataOf(InvalidArgument("\xff", "x")).at("field") == "?");
}

}  // namespace
}  // namespace federity
