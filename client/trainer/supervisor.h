#ifndef FEDERITY_CLIENT_TRAINER_SUPERVISOR_H_
#define FEDERITY_CLIENT_TRAINER_SUPERVISOR_H_

#include <filesystem>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "federity/worker/v1/worker.pb.h"

namespace federity::trainer {

// How a job in the trainer child is run.
struct JobOptions {
  // The federity-trainer program; empty: beside the running executable, else
  // in its ../lib/federity or on PATH.
  std::filesystem::path program;
  // The child is killed after this.
  absl::Duration time_limit = absl::Hours(24);
  std::function<void(const worker::v1::Started&)> on_started;    // may be empty
  std::function<void(const worker::v1::Progress&)> on_progress;  // may be empty
  // Polled a few times a second; true kills the child. May be empty.
  std::function<bool()> cancelled;
};

// Runs one job in a fresh child and waits for it. The child's crash, endless
// loop or hunger for memory is an error here and nothing more:
//   INVALID_ARGUMENT   MODEL_REFUSED, MODEL_FAILED, MODEL_UNREADABLE,
//                      DATA_INVALID
//   OUT_OF_RANGE       UPDATE_OUT_OF_RANGE, TRAINING_DIVERGED
//   RESOURCE_EXHAUSTED OUT_OF_MEMORY
//   DEADLINE_EXCEEDED  the time limit
//   CANCELLED          `cancelled` said so
//   INTERNAL           it crashed; the message names signal or status
// Thread-safe; each call owns its child and reaps it. The child dies with this
// process.
absl::StatusOr<worker::v1::Result> RunJob(const worker::v1::Request& request,
                                          const JobOptions& options);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_SUPERVISOR_H_
