#include "client/trainer/worker/torch_runtime.h"

#include <ATen/Parallel.h>
#include <ATen/core/ivalue.h>  // first: clang can't parse LibTorch otherwise
#include <dlfcn.h>
#include <torch/cuda.h>
#include <torch/script.h>
#include <torch/utils.h>
#include <torch/version.h>

#include "client/trainer/worker/torch_errors.h"
#include "common/base/status_macros.h"

namespace federity::trainer {
namespace {

// TORCH_WARN would print what a model puts into a warning, which may be data.
class SilentWarnings : public c10::WarningHandler {
 public:
#if TORCH_VERSION_MAJOR >= 2
  static void Install(c10::WarningHandler* handler) {
    c10::WarningUtils::set_warning_handler(handler);
  }
  void process(const c10::Warning&) override {}
#else
  static void Install(c10::WarningHandler* handler) { c10::Warning::set_warning_handler(handler); }
  void process(const c10::SourceLocation&, const std::string&, bool) override {}
#endif
};

// One step of a small convolutional model, by the interpreter, backwards too.
void WarmUp() {
  torch::manual_seed(0);
  torch::jit::Module module("WarmUp");
  module.register_parameter("weight", torch::rand({4, 1, 3, 3}, at::requires_grad()), false);
  module.define(R"(
    def forward(self, x):
        y = torch.relu(torch.conv2d(x, self.weight)).flatten(1)
        return torch.softmax(torch.matmul(y, torch.rand(y.size(1), 64)), 1).sum()
  )");
  for (int i = 0; i < 3; ++i) {  // the interpreter profiles, optimises, then runs
    module.forward({torch::rand({64, 1, 32, 32})}).toTensor().backward();
  }
  at::parallel_for(0, 1 << 20, 1, [](int64_t, int64_t) {});
  torch::rand({512, 512}).matmul(torch::rand({512, 512})).sum().item<float>();
  torch::dropout(torch::ones({64}), 0.5, true);
}

}  // namespace

std::string LibTorchVersion() { return TORCH_VERSION; }

std::filesystem::path LibTorchFolder() {
  Dl_info info = {};
  void (*function)(int) = &at::set_num_threads;
  if (dladdr(reinterpret_cast<void*>(function), &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code ignored;
  return std::filesystem::canonical(info.dli_fname, ignored).parent_path();
}

absl::StatusOr<TorchDevice> StartTorch(int threads, const std::string& device) {
  TorchDevice found;
  const absl::Status caught = CatchTorch(
      [&]() -> absl::Status {
        static SilentWarnings silent;
        SilentWarnings::Install(&silent);
        at::set_num_threads(threads);  // LibTorch's own guess may be 1 or all
        WarmUp();
        if (device == "cpu") return absl::OkStatus();
        found.cuda = torch::cuda::is_available();
        if (found.cuda) {
          found.name = "cuda";
          torch::rand({8, 8}, at::kCUDA).matmul(torch::rand({8, 8}, at::kCUDA)).cpu();
        } else if (device == "cuda") {
          return Failure(kInternal, "there is no CUDA device that this LibTorch can use");
        }
        return absl::OkStatus();
      },
      [](const std::exception& error) {
        return Failure(kInternal, StrCat("LibTorch does not start: ", TorchMessage(error)));
      });
  FEDERITY_RETURN_IF_ERROR(caught);
  return found;
}

}  // namespace federity::trainer
