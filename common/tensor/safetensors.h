#ifndef FEDERITY_COMMON_TENSOR_SAFETENSORS_H_
#define FEDERITY_COMMON_TENSOR_SAFETENSORS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace federity::tensor {

// The strict subset of safetensors that commits and deltas use
// (docs/formats/safetensors.md): 8-byte little-endian header length, JSON
// header, data. Tensors stand in the header in the order of their data, without
// gaps; metadata says which are buffers and what encoding the file has.

enum class DType { kF32, kF64, kI32, kI64, kU8, kBool };
// Bytes of one element.
int64_t SizeOf(DType dtype);
std::string_view DTypeName(DType dtype);  // "F32", …
bool IsFloating(DType dtype);

// What a tensor is to training: a parameter is learnt, a buffer is kept by the
// model (BatchNorm's running mean).
enum class TensorKind { kParameter, kBuffer };

struct TensorInfo {
  std::string name;  // "layer1.weight"; 1 to 256 bytes of printable ASCII without quotes
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // empty: a scalar
  TensorKind kind = TensorKind::kParameter;
  int64_t offset = 0;  // of its first byte, from the start of the data section
  int64_t elements() const;
  int64_t bytes() const { return elements() * SizeOf(dtype); }
  friend bool operator==(const TensorInfo&, const TensorInfo&) = default;
};

// Limits that a header must keep.
inline constexpr int64_t kMaxHeaderBytes = 16 << 20;
inline constexpr int64_t kMaxTensors = 100'000;
inline constexpr int64_t kMaxElements = int64_t{1} << 36;  // in one file
inline constexpr int kMaxDimensions = 16;

// The encoding that a file says it has, in its metadata.
inline constexpr std::string_view kWeightsEncoding = "weights-1";
inline constexpr std::string_view kPlainDeltaEncoding = "plain-1";

// A parsed header: the names, types, shapes and places of all tensors.
struct TensorSpec {
  std::string encoding;
  std::vector<TensorInfo> tensors;

  int64_t data_bytes() const;
  int64_t elements() const;
  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

// Sets every tensor's offset from dtype and shape, in order. INVALID_ARGUMENT
// for a name, shape or total that breaks a limit or a name that occurs twice.
absl::StatusOr<TensorSpec> MakeTensorSpec(std::string_view encoding,
                                          std::vector<TensorInfo> tensors);

// The canonical bytes before the data: length prefix and header, padded with
// spaces to a multiple of 8. Equal specs give equal bytes.
std::string EncodeHeader(const TensorSpec& spec);

// The whole prefix's length (8 + header), from the first 8 bytes of a file.
// INVALID_ARGUMENT beyond kMaxHeaderBytes.
absl::StatusOr<int64_t> HeaderLength(std::string_view first_8_bytes);

// Parses a whole prefix as EncodeHeader writes it and refuses whatever is not
// canonical (so that one content has one digest), naming tensor and fault:
// WEIGHTS_INVALID. Never allocates more than a constant times the input.
absl::StatusOr<TensorSpec> DecodeHeader(std::string_view prefix);

}  // namespace federity::tensor

#endif  // FEDERITY_COMMON_TENSOR_SAFETENSORS_H_
