#ifndef FEDERITY_CLIENT_TRAINER_FAILURE_H_
#define FEDERITY_CLIENT_TRAINER_FAILURE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace federity::trainer {

// Why a job in the trainer failed: stable words that agents report. They
// travel in worker.v1.Failure and stay on the status that RunJob returns.
// MODEL_REFUSED says what is in the archive, found before any data are read:
// the one reason whose message may leave the machine.
inline constexpr std::string_view kModelRefused = "MODEL_REFUSED";
// The model's own code failed, or gave what the loss can't use; what that says
// may follow from the data.
inline constexpr std::string_view kModelFailed = "MODEL_FAILED";
inline constexpr std::string_view kModelUnreadable = "MODEL_UNREADABLE";
inline constexpr std::string_view kDataInvalid = "DATA_INVALID";
inline constexpr std::string_view kTrainingDiverged = "TRAINING_DIVERGED";
inline constexpr std::string_view kUpdateOutOfRange = "UPDATE_OUT_OF_RANGE";
inline constexpr std::string_view kOutOfMemory = "OUT_OF_MEMORY";
inline constexpr std::string_view kInternal = "INTERNAL";

// A status with such a reason; its code follows from the reason (see RunJob).
absl::Status Failure(std::string_view reason, std::string_view message);

// The reason of a status made by Failure; kInternal for any other error.
std::string FailureReason(const absl::Status& status);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_FAILURE_H_
