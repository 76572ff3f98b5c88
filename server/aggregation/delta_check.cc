#include "server/aggregation/delta_check.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/strings/str_format.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/tensor/plain_delta.h"

namespace federity::aggregation {
namespace {

absl::Status Malformed(std::string_view message, ErrorMetadata metadata = {}) {
  return Error(v1::ERROR_REASON_DELTA_MALFORMED, message, std::move(metadata));
}

// Names the first difference, so that the contributor can see what is wrong.
absl::Status Mismatch(const tensor::TensorSpec& got, const tensor::TensorSpec& want) {
  if (got.encoding != want.encoding) {
    return Malformed(StrCat("The update is encoded as \"", got.encoding, "\", this round takes \"",
                            want.encoding, "\"."));
  }
  for (size_t i = 0; i < want.tensors.size(); ++i) {
    const std::string& name = want.tensors[i].name;
    if (i >= got.tensors.size()) {
      return Error(v1::ERROR_REASON_TENSORS_MISMATCH,
                   StrCat("Tensor \"", name, "\" is missing from the update."), {{"tensor", name}});
    }
    if (got.tensors[i] == want.tensors[i]) continue;
    return Error(
        v1::ERROR_REASON_TENSORS_MISMATCH,
        StrCat("Tensor ", i, " of the update, \"", got.tensors[i].name,
               "\", differs in name, type or shape from the base commit's \"", name, "\"."),
        {{"tensor", name}});
  }
  return Error(v1::ERROR_REASON_TENSORS_MISMATCH,
               StrCat("The update has ", got.tensors.size(), " tensors, the base commit ",
                      want.tensors.size(), "."));
}

absl::Status CheckHeader(blobs::BlobReader& delta, const tensor::TensorSpec& want,
                         int64_t* data_begin) {
  const std::string canonical = tensor::EncodeHeader(want);
  *data_begin = static_cast<int64_t>(canonical.size());
  const int64_t expected = *data_begin + want.data_bytes();
  if (delta.size_bytes() == expected) {
    std::string prefix(canonical.size(), '\0');
    FEDERITY_RETURN_IF_ERROR(delta.Read(0, std::span<char>(prefix)));
    if (prefix == canonical) return absl::OkStatus();
  }
  // Something is wrong; parse it only to say what.
  absl::StatusOr<TensorHeader> header = ReadTensorHeader(delta);
  if (header.ok() && header->spec != want) return Mismatch(header->spec, want);
  if (header.ok()) return Malformed("The update's header is not in canonical form.");
  if (ReasonOf(header.status()) != v1::ERROR_REASON_WEIGHTS_INVALID &&
      header.status().code() != absl::StatusCode::kInvalidArgument) {
    return header.status();
  }
  return Malformed(StrCat("The update has ", delta.size_bytes(), " bytes, expected ", expected,
                          ": ", header.status().message()));
}

// The values that an integer tensor of the weights can hold.
struct Range {
  int64_t low;
  int64_t high;
};
Range RangeOf(tensor::DType dtype) {
  switch (dtype) {
    case tensor::DType::kBool:
      return {0, 1};
    case tensor::DType::kU8:
      return {0, 255};
    case tensor::DType::kI32:
      return {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
    default:
      return {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()};
  }
}

absl::Status CheckIntegers(const tensor::TensorInfo& tensor, std::span<const int64_t> values) {
  const Range range = RangeOf(tensor.dtype);
  for (const int64_t value : values) {
    if (value >= range.low && value <= range.high) continue;
    return Malformed(StrCat("Tensor \"", tensor.name, "\" cannot hold the value ", value, " (",
                            tensor::DTypeName(tensor.dtype), ")."),
                     {{"tensor", tensor.name}});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DeltaFacts> CheckDelta(blobs::BlobReader& delta, const tensor::TensorSpec& weights,
                                      double max_update_norm, const KeepGoing& keep_going) {
  FEDERITY_ASSIGN_OR_RETURN(const tensor::TensorSpec want, tensor::PlainDeltaSpec(weights));
  int64_t data_begin = 0;
  FEDERITY_RETURN_IF_ERROR(CheckHeader(delta, want, &data_begin));

  absl::uint128 sum_of_squares = 0;
  std::vector<char> bytes;
  std::vector<int32_t> q;
  std::vector<int64_t> integers;
  for (const Block& block : CutIntoBlocks(weights, want)) {
    FEDERITY_RETURN_IF_ERROR(keep_going());
    bytes.resize(static_cast<size_t>(block.delta_bytes));
    FEDERITY_RETURN_IF_ERROR(delta.Read(data_begin + block.delta_offset, std::span<char>(bytes)));
    // Tensors follow one another without padding, so a piece may lie unaligned.
    const char* at = bytes.data();
    for (const Piece& piece : block.pieces) {
      const auto count = static_cast<size_t>(piece.elements);
      if (tensor::IsFloating(piece.tensor->dtype)) {
        if (piece.tensor->kind == tensor::TensorKind::kParameter) {
          q.resize(count);
          std::memcpy(q.data(), at, count * sizeof(int32_t));
          sum_of_squares += tensor::SumOfSquares(q);
        }
        at += count * sizeof(int32_t);
      } else {
        integers.resize(count);
        std::memcpy(integers.data(), at, count * sizeof(int64_t));
        FEDERITY_RETURN_IF_ERROR(CheckIntegers(*piece.tensor, integers));
        at += count * sizeof(int64_t);
      }
    }
  }
  DeltaFacts facts;
  facts.norm = tensor::NormFromSumOfSquares(sum_of_squares);
  if (!(facts.norm <= max_update_norm)) {
    return Error(v1::ERROR_REASON_DELTA_NORM_EXCEEDED,
                 absl::StrFormat("The update's norm is %.6g, the plan allows at most %.6g "
                                 "(aggregation.max_update_norm).",
                                 facts.norm, max_update_norm),
                 {{"norm", absl::StrFormat("%.6g", facts.norm)},
                  {"max_update_norm", absl::StrFormat("%.6g", max_update_norm)}});
  }
  return facts;
}

bool IsRefusal(const absl::Status& status) {
  switch (ReasonOf(status)) {
    case v1::ERROR_REASON_DELTA_MALFORMED:
    case v1::ERROR_REASON_TENSORS_MISMATCH:
    case v1::ERROR_REASON_DELTA_NORM_EXCEEDED:
      return true;
    default:
      return false;
  }
}

}  // namespace federity::aggregation
