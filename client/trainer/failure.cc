#include "client/trainer/failure.h"

#include <optional>

#include "absl/strings/cord.h"
#include "common/base/strings.h"

namespace federity::trainer {
namespace {

constexpr std::string_view kPayload = "federity.trainer/reason";

absl::StatusCode CodeOf(std::string_view reason) {
  if (reason == kModelRefused || reason == kModelFailed || reason == kModelUnreadable ||
      reason == kDataInvalid) {
    return absl::StatusCode::kInvalidArgument;
  }
  if (reason == kTrainingDiverged || reason == kUpdateOutOfRange) {
    return absl::StatusCode::kOutOfRange;
  }
  if (reason == kOutOfMemory) return absl::StatusCode::kResourceExhausted;
  return absl::StatusCode::kInternal;
}

}  // namespace

absl::Status Failure(std::string_view reason, std::string_view message) {
  absl::Status status(CodeOf(reason), ToAbsl(message));
  status.SetPayload(ToAbsl(kPayload), absl::Cord(ToAbsl(reason)));
  return status;
}

std::string FailureReason(const absl::Status& status) {
  if (const auto reason = status.GetPayload(ToAbsl(kPayload))) return std::string(*reason);
  return std::string(kInternal);
}

}  // namespace federity::trainer
