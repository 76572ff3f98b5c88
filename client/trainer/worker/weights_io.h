#ifndef FEDERITY_CLIENT_TRAINER_WORKER_WEIGHTS_IO_H_
#define FEDERITY_CLIENT_TRAINER_WORKER_WEIGHTS_IO_H_

#include "absl/status/status.h"
#include "client/trainer/worker/model.h"

namespace federity::trainer {

// Weights and deltas as canonical safetensors, a tensor at a time.

// MODEL_REFUSED naming a tensor with values that are not finite.
absl::Status WriteWeights(Model& model, int fd);

// MODEL_UNREADABLE if the file is malformed or its tensors are not the model's.
absl::Status ReadWeights(Model& model, int fd);

// The plain delta from the weights in `base_fd` to the model's. UPDATE_OUT_OF_RANGE
// with tensor, value and limit.
absl::Status WriteDelta(Model& model, int base_fd, int delta_fd);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_WORKER_WEIGHTS_IO_H_
