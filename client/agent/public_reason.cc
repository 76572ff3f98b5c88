#include "client/agent/public_reason.h"

#include "absl/strings/cord.h"
#include "client/trainer/failure.h"
#include "common/base/errors.h"
#include "common/base/strings.h"

namespace federity::agent {
namespace {

constexpr char kPayload[] = "federity/public-reason";
constexpr std::string_view kSeeLog = "; `federity-agent log` on the workstation says more";

}  // namespace

absl::Status WithPublicReason(absl::Status status, std::string_view reason) {
  if (!status.ok()) status.SetPayload(kPayload, absl::Cord(ToAbsl(reason)));
  return status;
}

std::string PublicReason(const absl::Status& status) {
  if (const auto reason = status.GetPayload(kPayload)) return std::string(*reason);
  if (ReasonOf(status) == v1::ERROR_REASON_STORAGE_FULL) return "the workstation's disk is full";
  return StrCat("the workstation could not go on (", absl::StatusCodeToString(status.code()), ")",
                kSeeLog);
}

absl::Status DescribeTrainerError(const absl::Status& status) {
  if (status.ok()) return status;
  const std::string reason = trainer::FailureReason(status);
  // What is in the archive, found before data are read. All else that the child
  // says may follow from the data, so the reason alone goes out.
  if (reason == trainer::kModelRefused)
    return WithPublicReason(status, StrCat(reason, ": ", ToStd(status.message())));
  if (absl::IsDeadlineExceeded(status)) return WithPublicReason(status, "training took too long");
  return WithPublicReason(status, StrCat("the trainer failed (", reason, ")", kSeeLog));
}

}  // namespace federity::agent
