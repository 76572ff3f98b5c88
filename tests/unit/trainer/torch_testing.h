#ifndef FEDERITY_TESTS_UNIT_TRAINER_TORCH_TESTING_H_
#define FEDERITY_TESTS_UNIT_TRAINER_TORCH_TESTING_H_

// LibTorch before Catch2: glog's CHECK would silently take the place of
// Catch2's, and tests would pass without asserting.
#include "client/trainer/worker/model_impl.h"

#undef CHECK
#include <catch2/catch.hpp>
#include <memory>
#include <sstream>
#include <string>

#include "client/trainer/failure.h"
#include "tests/unit/client/trainer/testing.h"

namespace federity::trainer::testing {

inline std::string Saved(const torch::jit::Module& module) {
  std::ostringstream out;
  module.save(out);
  return out.str();
}

// y = x·w with w of shape [features, outputs] filled with `value`.
inline torch::jit::Module LinearModule(int64_t features, int64_t outputs, float value) {
  torch::jit::Module module("Linear");
  module.register_parameter("w", torch::full({features, outputs}, value, at::requires_grad()),
                            false);
  module.register_attribute("training", c10::BoolType::get(), true);
  module.define("def forward(self, x):\n    return torch.matmul(x, self.w)\n");
  return module;
}

inline absl::StatusOr<std::unique_ptr<Model>> Loaded(const torch::jit::Module& module) {
  return Model::LoadBytes(Saved(module), {});
}

}  // namespace federity::trainer::testing

#endif  // FEDERITY_TESTS_UNIT_TRAINER_TORCH_TESTING_H_
