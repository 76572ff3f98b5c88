#include "client/trainer/worker/weights_io.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "client/trainer/failure.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/tensor/plain_delta.h"

namespace federity::trainer {
namespace {

using tensor::DType;
using tensor::TensorInfo;
using tensor::TensorSpec;

absl::Status Sync(int fd) {
  return fsync(fd) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "an output file of the trainer");
}

std::span<const float> Floats(std::string_view bytes) {
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

absl::StatusOr<TensorSpec> ReadHeader(int fd, int64_t& data_start) {
  std::string prefix(8, '\0');
  FEDERITY_RETURN_IF_ERROR(ReadFully(fd, prefix.data(), 8, 0));
  FEDERITY_ASSIGN_OR_RETURN(data_start, tensor::HeaderLength(prefix));
  prefix.resize(static_cast<size_t>(data_start));
  FEDERITY_RETURN_IF_ERROR(ReadFully(fd, prefix.data(), data_start, 0));
  return tensor::DecodeHeader(prefix);
}

// The place of the data, after checking that the file is the model's.
absl::StatusOr<int64_t> CheckBelongs(const TensorSpec& own, int fd) {
  int64_t start = 0;
  const auto spec = ReadHeader(fd, start);
  if (!spec.ok()) {
    return Failure(kModelUnreadable,
                   StrCat("the weights file is malformed: ", std::string(spec.status().message())));
  }
  if (*spec == own) return start;
  const size_t common = std::min(spec->tensors.size(), own.tensors.size());
  for (size_t i = 0; i < common; ++i) {
    if (spec->tensors[i] != own.tensors[i]) {
      return Failure(kModelUnreadable, StrCat("the weights are not those of the program: tensor ",
                                              own.tensors[i].name, " differs"));
    }
  }
  return Failure(kModelUnreadable,
                 StrCat("the weights are not those of the program: ", spec->tensors.size(),
                        " tensors instead of ", own.tensors.size()));
}

bool AllFinite(const TensorInfo& info, std::string_view bytes) {
  if (info.dtype != DType::kF32) return true;
  const std::span<const float> values = Floats(bytes);
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

// One integer tensor as int64.
std::vector<int64_t> Widen(DType type, std::string_view bytes) {
  const auto size = static_cast<size_t>(tensor::SizeOf(type));
  std::vector<int64_t> out(bytes.size() / size);
  for (size_t i = 0; i < out.size(); ++i) {
    const char* from = bytes.data() + i * size;
    if (type == DType::kI32) {
      int32_t value = 0;
      std::memcpy(&value, from, sizeof(value));
      out[i] = value;
    } else if (type == DType::kI64) {
      std::memcpy(&out[i], from, sizeof(int64_t));
    } else {
      out[i] = static_cast<uint8_t>(*from);
    }
  }
  return out;
}

}  // namespace

absl::Status WriteWeights(Model& model, int fd) {
  const TensorSpec& spec = model.spec();
  const std::string header = tensor::EncodeHeader(spec);
  const auto start = static_cast<int64_t>(header.size());
  FEDERITY_RETURN_IF_ERROR(WriteFully(fd, header, 0));
  for (size_t i = 0; i < spec.tensors.size(); ++i) {
    const TensorInfo& info = spec.tensors[i];
    FEDERITY_ASSIGN_OR_RETURN(const std::string_view bytes, model.TensorBytes(i));
    if (!AllFinite(info, bytes)) {
      return Failure(kModelFailed,
                     StrCat("the tensor ", info.name,
                            " holds values that are not finite; they can't be merged (of a mask, "
                            "keep a bool tensor and use masked_fill)"));
    }
    FEDERITY_RETURN_IF_ERROR(WriteFully(fd, bytes, start + info.offset));
  }
  return Sync(fd);
}

absl::Status ReadWeights(Model& model, int fd) {
  const TensorSpec& spec = model.spec();
  FEDERITY_ASSIGN_OR_RETURN(const int64_t start, CheckBelongs(spec, fd));
  for (size_t i = 0; i < spec.tensors.size(); ++i) {
    const TensorInfo& info = spec.tensors[i];
    FEDERITY_RETURN_IF_ERROR(model.FillTensor(i, [&](char* data, int64_t bytes) -> absl::Status {
      if (!ReadFully(fd, data, bytes, start + info.offset).ok()) {
        return Failure(kModelUnreadable, "the weights file ends early");
      }
      // A bool that is neither 0 nor 1 is undefined behaviour to C++.
      const bool valid = info.dtype != DType::kBool ||
                         std::all_of(data, data + bytes, [](char c) { return c == 0 || c == 1; });
      if (valid) return absl::OkStatus();
      return Failure(kModelUnreadable, StrCat("the tensor ", info.name, " is not all 0 and 1"));
    }));
  }
  return absl::OkStatus();
}

absl::Status WriteDelta(Model& model, int base_fd, int delta_fd) {
  const TensorSpec& spec = model.spec();
  FEDERITY_ASSIGN_OR_RETURN(const int64_t base_start, CheckBelongs(spec, base_fd));
  FEDERITY_ASSIGN_OR_RETURN(const TensorSpec delta, tensor::PlainDeltaSpec(spec));
  const std::string header = tensor::EncodeHeader(delta);
  const auto start = static_cast<int64_t>(header.size());
  FEDERITY_RETURN_IF_ERROR(WriteFully(delta_fd, header, 0));
  for (size_t i = 0; i < spec.tensors.size(); ++i) {
    const TensorInfo& info = spec.tensors[i];
    const int64_t place = start + delta.tensors[i].offset;
    FEDERITY_ASSIGN_OR_RETURN(const std::string_view bytes, model.TensorBytes(i));
    if (info.dtype != DType::kF32) {
      const std::vector<int64_t> values = Widen(info.dtype, bytes);
      FEDERITY_RETURN_IF_ERROR(WriteFully(
          delta_fd, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int64_t)},
          place));
      continue;
    }
    std::vector<float> base(static_cast<size_t>(info.elements()));
    FEDERITY_RETURN_IF_ERROR(ReadFully(base_fd, reinterpret_cast<char*>(base.data()), info.bytes(),
                                       base_start + info.offset));
    std::vector<int32_t> q(base.size());
    if (absl::Status status = tensor::EncodePlain(info, base, Floats(bytes), q); !status.ok()) {
      return Failure(kUpdateOutOfRange, std::string(status.message()));
    }
    FEDERITY_RETURN_IF_ERROR(WriteFully(
        delta_fd, {reinterpret_cast<const char*>(q.data()), q.size() * sizeof(int32_t)}, place));
  }
  return Sync(delta_fd);
}

}  // namespace federity::trainer
