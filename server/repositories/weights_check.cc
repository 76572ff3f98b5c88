#include "server/repositories/weights_check.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/tensor/plain_delta.h"

namespace federity::repositories {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

constexpr int64_t kBlockBytes = 1 << 20;

absl::Status Invalid(std::string_view message, std::string_view tensor = {}) {
  ErrorMetadata metadata;
  if (!tensor.empty()) metadata["tensor"] = std::string(tensor);
  return Error(v1::ERROR_REASON_WEIGHTS_INVALID, message, std::move(metadata));
}

// Exponent bits all set: infinity or NaN. OR over the block first, so that the
// compiler makes vectors of it.
template <typename Bits>
int64_t FirstNotFinite(const char* data, int64_t bytes, Bits exponent) {
  const int64_t count = bytes / static_cast<int64_t>(sizeof(Bits));
  const auto at = [&](int64_t i) {
    Bits bits;
    std::memcpy(&bits, data + i * static_cast<int64_t>(sizeof(Bits)), sizeof bits);
    return bits;
  };
  int bad = 0;
  for (int64_t i = 0; i < count; ++i) bad |= static_cast<int>((at(i) & exponent) == exponent);
  if (bad == 0) return -1;
  for (int64_t i = 0; i < count; ++i) {
    if ((at(i) & exponent) == exponent) return i;
  }
  return -1;
}

int64_t FirstBad(tensor::DType dtype, const char* data, int64_t bytes) {
  switch (dtype) {
    case tensor::DType::kF32:
      return FirstNotFinite<uint32_t>(data, bytes, 0x7f800000u);
    case tensor::DType::kF64:
      return FirstNotFinite<uint64_t>(data, bytes, 0x7ff0000000000000u);
    case tensor::DType::kBool: {
      const char* bad = std::find_if(data, data + bytes, [](char c) { return c != 0 && c != 1; });
      return bad == data + bytes ? -1 : bad - data;
    }
    default:
      return -1;
  }
}

bool NeedsCheck(tensor::DType dtype) {
  return tensor::IsFloating(dtype) || dtype == tensor::DType::kBool;
}

std::string Describe(const tensor::TensorInfo& tensor) {
  return StrCat("\"", tensor.name, "\" ", tensor::DTypeName(tensor.dtype), " [",
                absl::StrJoin(tensor.shape, ", "), "] ",
                tensor.kind == tensor::TensorKind::kBuffer ? "buffer" : "parameter");
}

}  // namespace

absl::StatusOr<tensor::TensorSpec> ReadWeightsSpec(blobs::BlobReader& weights) {
  char first[8];
  if (weights.size_bytes() < static_cast<int64_t>(sizeof first)) {
    return Invalid(
        StrCat("The weights have ", weights.size_bytes(), " bytes: no safetensors file."));
  }
  FEDERITY_RETURN_IF_ERROR(weights.Read(0, first));
  FEDERITY_ASSIGN_OR_RETURN(const int64_t length,
                            tensor::HeaderLength(std::string_view(first, sizeof first)));
  if (length > weights.size_bytes()) {
    return Invalid(
        StrCat("The header claims ", length, " bytes, the file has ", weights.size_bytes(), "."));
  }
  std::string prefix(static_cast<size_t>(length), '\0');
  FEDERITY_RETURN_IF_ERROR(weights.Read(0, prefix));
  FEDERITY_ASSIGN_OR_RETURN(tensor::TensorSpec spec, tensor::DecodeHeader(prefix));
  if (spec.encoding != tensor::kWeightsEncoding) {
    return Invalid(StrCat("The file's encoding is \"", spec.encoding, "\"; weights have \"",
                          tensor::kWeightsEncoding, "\"."));
  }
  if (length + spec.data_bytes() != weights.size_bytes()) {
    return Invalid(StrCat("The header promises ", length + spec.data_bytes(),
                          " bytes, the file has ", weights.size_bytes(), "."));
  }
  // What no update can be made for must not become a commit.
  if (absl::Status delta = tensor::PlainDeltaSpec(spec).status(); !delta.ok()) {
    return Invalid(ToStd(delta.message()));
  }
  return spec;
}

absl::Status CheckWeightsFinite(blobs::BlobReader& weights, const tensor::TensorSpec& spec,
                                const std::function<bool()>& cancelled) {
  const int64_t data_start = weights.size_bytes() - spec.data_bytes();
  std::vector<char> block;
  for (const tensor::TensorInfo& tensor : spec.tensors) {
    if (!NeedsCheck(tensor.dtype)) continue;
    for (int64_t done = 0; done < tensor.bytes();) {
      if (cancelled()) return absl::CancelledError("nobody waits for the push");
      const int64_t part = std::min(kBlockBytes, tensor.bytes() - done);
      block.resize(static_cast<size_t>(part));
      FEDERITY_RETURN_IF_ERROR(weights.Read(data_start + tensor.offset + done, block));
      const int64_t bad = FirstBad(tensor.dtype, block.data(), part);
      if (bad >= 0) {
        return Invalid(StrCat("Element ", done / tensor::SizeOf(tensor.dtype) + bad, " of tensor ",
                              Describe(tensor),
                              tensor::IsFloating(tensor.dtype) ? " is not a finite number."
                                                               : " is neither 0 nor 1."),
                       tensor.name);
      }
      done += part;
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSameTensors(const tensor::TensorSpec& expected,
                              const tensor::TensorSpec& actual) {
  const size_t common = std::min(expected.tensors.size(), actual.tensors.size());
  for (size_t i = 0; i < common; ++i) {
    if (actual.tensors[i] == expected.tensors[i]) continue;
    return Error(
        v1::ERROR_REASON_TENSORS_MISMATCH,
        StrCat("Tensor ", i + 1, " is ", Describe(actual.tensors[i]), "; the parent commit has ",
               Describe(expected.tensors[i]), ". With another architecture, push its program too."),
        {{"tensor", actual.tensors[i].name}});
  }
  if (actual.tensors.size() != expected.tensors.size()) {
    const auto& longer = actual.tensors.size() > common ? actual : expected;
    return Error(v1::ERROR_REASON_TENSORS_MISMATCH,
                 StrCat("The weights have ", actual.tensors.size(), " tensors, the parent commit ",
                        expected.tensors.size(), "; the first that differs is ",
                        Describe(longer.tensors[common]), "."),
                 {{"tensor", longer.tensors[common].name}});
  }
  return absl::OkStatus();
}

}  // namespace federity::repositories
