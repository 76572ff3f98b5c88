#ifndef FEDERITY_CLIENT_TRAINER_WORKER_TORCH_RUNTIME_H_
#define FEDERITY_CLIENT_TRAINER_WORKER_TORCH_RUNTIME_H_

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"

namespace federity::trainer {

// The version of LibTorch that this program runs with.
std::string LibTorchVersion();

// The folder of LibTorch's libraries, from which it may load more later.
std::filesystem::path LibTorchFolder();

struct TorchDevice {
  bool cuda = false;
  std::string name = "cpu";  // or the CUDA device's
};

// Sets the number of threads, picks the device ("auto": CUDA if there is one)
// and touches whatever LibTorch opens or starts lazily - generators, thread
// pools, BLAS, convolution and interpreter - so that it works after the sandbox
// has closed. INTERNAL if device is "cuda" and there is none. Once, before the
// sandbox closes.
absl::StatusOr<TorchDevice> StartTorch(int threads, const std::string& device);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_WORKER_TORCH_RUNTIME_H_
