#include <torch/version.h>

#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/str_join.h"
#include "client/trainer/worker/archive.h"
#include "client/trainer/worker/graph_check.h"
#include "client/trainer/worker/model_impl.h"
#include "client/trainer/worker/torch_errors.h"
#include "common/base/status_macros.h"

namespace federity::trainer {
namespace {

using tensor::TensorInfo;
using tensor::TensorKind;

// jit::load's complaint in our words; never MODEL_REFUSED, since an exception's
// text may say anything.
absl::Status LoadFailure(const std::exception& error, const std::string& producer) {
  const std::string text = error.what();
  const std::string version = StrCat("LibTorch ", TORCH_VERSION);
  constexpr std::string_view kUnknown = "Unknown builtin op: ";
  if (const size_t at = text.find(kUnknown); at != std::string::npos) {
    std::string name = text.substr(at + kUnknown.size());
    name = name.substr(0, name.find_first_of("\n "));
    while (name.ends_with('.')) name.pop_back();
    return Failure(kModelUnreadable,
                   StrCat("the model uses the operator ", name, ", which this ", version,
                          " lacks (the file was saved by ", producer,
                          "); write it with older operators, save it with PyTorch 1.13, or build "
                          "the trainer with a newer LibTorch"));
  }
  if (text.find("maximum supported version") != std::string::npos) {
    return Failure(kModelUnreadable, StrCat("the file was saved by a PyTorch (", producer,
                                         ") that is too new for this ", version));
  }
  return Failure(kModelUnreadable, StrCat(version, " can't load the file (saved by ", producer,
                                          "): ", TorchMessage(error)));
}

std::optional<tensor::DType> SupportedType(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return tensor::DType::kF32;
    case at::kLong:
      return tensor::DType::kI64;
    case at::kInt:
      return tensor::DType::kI32;
    case at::kByte:
      return tensor::DType::kU8;
    case at::kBool:
      return tensor::DType::kBool;
    default:
      return std::nullopt;
  }
}

absl::StatusOr<TensorInfo> Describe(const std::string& name, const at::Tensor& tensor,
                                    TensorKind kind) {
  const std::string what =
      StrCat("the ", kind == TensorKind::kParameter ? "parameter " : "buffer ", name);
  if (!tensor.defined() || tensor.layout() != at::kStrided || tensor.is_quantized()) {
    return Failure(kModelRefused,
                   what + " is sparse, quantised or undefined; only dense tensors can be trained");
  }
  if (!tensor.device().is_cpu()) {
    return Failure(kModelRefused, what + " is not on the CPU; save the model after model.cpu()");
  }
  const auto type = SupportedType(tensor);
  if (!type || (kind == TensorKind::kParameter && *type != tensor::DType::kF32)) {
    return Failure(kModelRefused,
                   StrCat(what, " is of type ", c10::toString(tensor.scalar_type()),
                          "; parameters must be float32, buffers float32, int32, int64, uint8 or "
                          "bool: save the model after model.float()"));
  }
  return TensorInfo{.name = name, .dtype = *type, .shape = tensor.sizes().vec(), .kind = kind};
}

// Bytes of storage that a tensor reaches.
struct Extent {
  const void* storage;
  int64_t begin;
  int64_t end;
};
Extent ExtentOf(const at::Tensor& tensor) {
  int64_t last = tensor.storage_offset();
  for (int64_t i = 0; i < tensor.dim(); ++i) last += (tensor.size(i) - 1) * tensor.stride(i);
  const auto size = static_cast<int64_t>(tensor.element_size());
  return {tensor.storage().unsafeGetStorageImpl(), tensor.storage_offset() * size,
          (last + 1) * size};
}

// Two names for the same memory would train as two tensors here.
absl::Status CheckNotTied(const std::vector<TensorInfo>& infos,
                          const std::vector<at::Tensor>& tensors) {
  std::map<std::pair<const void*, int64_t>, std::pair<int64_t, size_t>> extents;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].numel() == 0) continue;
    const Extent extent = ExtentOf(tensors[i]);
    auto next = extents.upper_bound({extent.storage, extent.begin});
    const auto clash = [&](const auto& other) {
      return other->first.first == extent.storage && other->first.second < extent.end &&
             extent.begin < other->second.first;
    };
    auto found = extents.end();
    if (next != extents.end() && clash(next)) found = next;
    if (next != extents.begin() && clash(std::prev(next))) found = std::prev(next);
    if (found != extents.end()) {
      return Failure(kModelRefused,
                     StrCat(infos[found->second.second].name, " and ", infos[i].name,
                            " share their memory (tied weights), which is not supported; call the "
                            "one module twice instead of giving its weight two names"));
    }
    extents[{extent.storage, extent.begin}] = {extent.end, i};
  }
  return absl::OkStatus();
}

absl::StatusOr<tensor::TensorSpec> MakeSpec(const torch::jit::Module& module) {
  std::vector<TensorInfo> infos;
  std::vector<at::Tensor> tensors;
  const auto add = [&](const auto& named, TensorKind kind) -> absl::Status {
    FEDERITY_ASSIGN_OR_RETURN(TensorInfo info, Describe(named.name, named.value, kind));
    infos.push_back(std::move(info));
    tensors.push_back(named.value);
    return absl::OkStatus();
  };
  bool trainable = false;
  for (const auto& named : module.named_parameters()) {
    FEDERITY_RETURN_IF_ERROR(add(named, TensorKind::kParameter));
    trainable = trainable || named.value.requires_grad();
  }
  if (!trainable) {
    return Failure(kModelRefused,
                   "the model has no parameters that can be trained; was it frozen "
                   "(torch.jit.freeze, optimize_for_inference)? Save it before that");
  }
  for (const auto& named : module.named_buffers()) {
    FEDERITY_RETURN_IF_ERROR(add(named, TensorKind::kBuffer));
  }
  FEDERITY_RETURN_IF_ERROR(CheckNotTied(infos, tensors));
  auto spec = tensor::MakeTensorSpec(tensor::kWeightsEncoding, std::move(infos));
  if (!spec.ok()) return Failure(kModelRefused, std::string(spec.status().message()));
  return spec;
}

std::string Save(const torch::jit::Module& module) {
  std::ostringstream out;
  module.save(out);
  return std::move(out).str();
}

}  // namespace

std::vector<at::Tensor> Model::Impl::Tensors() const {
  std::vector<at::Tensor> tensors;
  for (const at::Tensor& parameter : module.parameters()) tensors.push_back(parameter);
  for (const at::Tensor& buffer : module.buffers()) tensors.push_back(buffer);
  return tensors;
}

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;

namespace {

absl::StatusOr<std::unique_ptr<Model::Impl>> LoadImpl(std::shared_ptr<ArchiveSource> file,
                                                      const Model::LoadOptions& options) {
  auto impl = std::make_unique<Model::Impl>();
  FEDERITY_ASSIGN_OR_RETURN(const std::string producer, InspectArchive(file, options.check_graph));
  const absl::Status loaded = CatchTorch(
      [&] {
        impl->module = torch::jit::load(std::move(file), at::Device(at::kCPU));
        return absl::OkStatus();
      },
      [&](const std::exception& error) { return LoadFailure(error, producer); });
  FEDERITY_RETURN_IF_ERROR(loaded);
  const absl::Status checked = CatchTorch(
      [&]() -> absl::Status {
        if (options.check_graph) FEDERITY_RETURN_IF_ERROR(CheckGraphs(impl->module));
        if (!impl->module.find_method("forward")) {
          return Failure(kModelRefused, "the model has no forward method");
        }
        FEDERITY_ASSIGN_OR_RETURN(impl->spec, MakeSpec(impl->module));
        return absl::OkStatus();
      },
      [&](const std::exception& error) { return LoadFailure(error, producer); });
  FEDERITY_RETURN_IF_ERROR(checked);
  return impl;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> Model::Load(int fd, const LoadOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(auto impl, LoadImpl(ArchiveInFile(fd), options));
  return std::unique_ptr<Model>(new Model(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<Model>> Model::LoadBytes(std::string_view archive,
                                                        const LoadOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(auto impl, LoadImpl(ArchiveInMemory(archive), options));
  return std::unique_ptr<Model>(new Model(std::move(impl)));
}

const tensor::TensorSpec& Model::spec() const { return impl_->spec; }

std::vector<std::string> Model::Warnings() const {
  std::vector<std::string> fixed;
  for (const auto& named : impl_->module.named_parameters()) {
    if (!named.value.requires_grad()) fixed.push_back(named.name);
  }
  std::vector<std::string> warnings;
  if (!fixed.empty()) {
    warnings.push_back(StrCat("parameters that do not require a gradient stay as they are: ",
                              absl::StrJoin(fixed, ", ")));
  }
  const std::vector<std::string> modes = OperatorsFixedToEvaluation(impl_->module);
  if (!modes.empty()) {
    warnings.push_back(
        StrCat("traced in evaluation mode, these do not train: ", absl::StrJoin(modes, ", "),
               "; use torch.jit.script, or trace after model.train()"));
  }
  return warnings;
}

absl::StatusOr<std::string_view> Model::TensorBytes(size_t i) {
  const absl::Status caught = CatchTorch(
      [&] {
        impl_->lent = impl_->Tensors()[i].detach().cpu().contiguous();
        return absl::OkStatus();
      },
      [](const std::exception& error) { return Failure(kInternal, TorchMessage(error)); });
  FEDERITY_RETURN_IF_ERROR(caught);
  return std::string_view(static_cast<const char*>(impl_->lent.data_ptr()), impl_->lent.nbytes());
}

absl::Status Model::FillTensor(size_t i,
                               const std::function<absl::Status(char* data, int64_t bytes)>& fill) {
  return CatchTorch(
      [&]() -> absl::Status {
        const torch::NoGradGuard no_grad;
        at::Tensor target = impl_->Tensors()[i];
        const at::Tensor filled = at::empty(target.sizes(), target.options().device(at::kCPU));
        FEDERITY_RETURN_IF_ERROR(
            fill(static_cast<char*>(filled.data_ptr()), static_cast<int64_t>(filled.nbytes())));
        target.set_data(filled);
        return absl::OkStatus();
      },
      [](const std::exception& error) { return Failure(kInternal, TorchMessage(error)); });
}

absl::StatusOr<std::string> Model::TakeProgram() {
  std::string program;
  const absl::Status caught = CatchTorch(
      [&] {
        const torch::NoGradGuard no_grad;
        for (const at::Tensor& tensor : impl_->Tensors()) {
          tensor.set_data(
              at::zeros({}, tensor.options().requires_grad(false)).expand(tensor.sizes()));
        }
        impl_->module.train(true);
        // Twice: the first saving still follows the order and the debug
        // information of the file it came from.
        program = CanonicalArchive(Save(impl_->module));
        torch::jit::Module again =
            torch::jit::load(ArchiveInMemory(program), at::Device(at::kCPU));
        program = CanonicalArchive(Save(again));
        return absl::OkStatus();
      },
      [](const std::exception& error) {
        return Failure(kModelUnreadable, StrCat("the model can't be saved: ", TorchMessage(error)));
      });
  FEDERITY_RETURN_IF_ERROR(caught);
  return program;
}

absl::StatusOr<std::string> Model::Archive() {
  std::string archive;
  const absl::Status caught = CatchTorch(
      [&] {
        impl_->module.eval();
        archive = Save(impl_->module);
        torch::jit::load(ArchiveInMemory(archive), at::Device(at::kCPU));
        return absl::OkStatus();
      },
      [](const std::exception& error) {
        return Failure(kInternal, StrCat("the archive can't be saved: ", TorchMessage(error)));
      });
  FEDERITY_RETURN_IF_ERROR(caught);
  return archive;
}

}  // namespace federity::trainer
