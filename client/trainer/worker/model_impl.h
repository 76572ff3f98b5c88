#ifndef FEDERITY_CLIENT_TRAINER_WORKER_MODEL_IMPL_H_
#define FEDERITY_CLIENT_TRAINER_WORKER_MODEL_IMPL_H_

#include <ATen/core/ivalue.h>  // first: clang can't parse LibTorch otherwise
#include <torch/script.h>

#include <vector>

#include "client/trainer/worker/model.h"

namespace federity::trainer {

struct Model::Impl {
  torch::jit::Module module;
  tensor::TensorSpec spec;
  at::Tensor lent;  // what TensorBytes points into

  // In the order of the spec. Fetched anew each time: a model may put another
  // tensor into a buffer's place.
  std::vector<at::Tensor> Tensors() const;
};

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_WORKER_MODEL_IMPL_H_
