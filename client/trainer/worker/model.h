#ifndef FEDERITY_CLIENT_TRAINER_WORKER_MODEL_H_
#define FEDERITY_CLIENT_TRAINER_WORKER_MODEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/tensor/safetensors.h"

namespace federity::trainer {

// A TorchScript archive in memory. Loading runs code of the archive
// (__setstate__), so the sandbox must be closed before. No method throws;
// OUT_OF_MEMORY may come from any. Not thread-safe.
class Model {
 public:
  struct LoadOptions {
    // Tests of the sandbox switch the allow-list off.
    bool check_graph = true;
  };

  // MODEL_UNREADABLE if it is not a TorchScript archive; MODEL_REFUSED, naming
  // operator, tensor and remedy, if it holds what can't be trained here.
  static absl::StatusOr<std::unique_ptr<Model>> Load(int fd, const LoadOptions& options);
  static absl::StatusOr<std::unique_ptr<Model>> LoadBytes(std::string_view archive,
                                                          const LoadOptions& options);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model();

  // Its tensors: parameters, then buffers, each in the order of the modules.
  const tensor::TensorSpec& spec() const;
  // What does not hinder training but may surprise.
  std::vector<std::string> Warnings() const;

  // The bytes of tensor i, in row-major order; valid until the next call.
  absl::StatusOr<std::string_view> TensorBytes(size_t i);
  // Lets `fill` write the bytes of tensor i.
  absl::Status FillTensor(size_t i,
                          const std::function<absl::Status(char* data, int64_t bytes)>& fill);

  // The archive without weights: every tensor of the spec becomes one zero,
  // expanded; debug information is left out and the mode is training. The same
  // code gives the same bytes, whatever the weights. The model itself loses its
  // weights.
  absl::StatusOr<std::string> TakeProgram();
  // The whole archive, in evaluation mode, for torch.jit.load.
  absl::StatusOr<std::string> Archive();

  // For the files that know LibTorch.
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_WORKER_MODEL_H_
