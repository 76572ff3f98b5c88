#include "server/aggregation/streaming_merge.h"

#include <cstring>
#include <limits>
#include <span>
#include <string_view>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/tensor/plain_delta.h"

namespace federity::aggregation {
namespace {

constexpr int64_t kLowest = std::numeric_limits<int64_t>::lowest();

// The sum of weights, refused before it could wrap.
absl::StatusOr<int64_t> TotalWeight(const std::vector<MergeInput>& inputs) {
  int64_t total = 0;
  for (const MergeInput& input : inputs) {
    if (input.weight < 1) return absl::InternalError("a contribution without weight");
    if (__builtin_add_overflow(total, input.weight, &total)) {
      total = std::numeric_limits<int64_t>::max();
      break;
    }
  }
  if (total == 0) return absl::InternalError("nothing to merge");
  FEDERITY_RETURN_IF_ERROR(tensor::CheckNoOverflow(total));
  return total;
}

// The buffers of one merge, reused from block to block: fresh memory is dear.
class Merger {
 public:
  explicit Merger(int64_t total_weight) : total_weight_(total_weight) {}

  // Reads the base's part of the block.
  absl::Status Begin(const Block& block, blobs::BlobReader& base, int64_t data_begin) {
    weights_.resize(static_cast<size_t>(block.weights_bytes));
    FEDERITY_RETURN_IF_ERROR(
        base.Read(data_begin + block.weights_offset, std::span<char>(weights_)));
    accumulator_.resize(static_cast<size_t>(block.elements));
    size_t done = 0;
    for (const Piece& piece : block.pieces) {
      const int64_t start = tensor::IsFloating(piece.tensor->dtype) ? 0 : kLowest;
      std::fill_n(accumulator_.begin() + static_cast<int64_t>(done), piece.elements, start);
      done += static_cast<size_t>(piece.elements);
    }
    return absl::OkStatus();
  }

  absl::Status Add(const Block& block, blobs::BlobReader& delta, int64_t data_begin,
                   int64_t weight) {
    delta_.resize(static_cast<size_t>(block.delta_bytes));
    FEDERITY_RETURN_IF_ERROR(delta.Read(data_begin + block.delta_offset, std::span<char>(delta_)));
    const char* at = delta_.data();
    std::span<int64_t> rest(accumulator_);
    for (const Piece& piece : block.pieces) {
      const auto count = static_cast<size_t>(piece.elements);
      if (tensor::IsFloating(piece.tensor->dtype)) {
        q_.resize(count);
        std::memcpy(q_.data(), at, count * sizeof(int32_t));
        tensor::AccumulatePlain(weight, q_, rest.first(count));
        at += count * sizeof(int32_t);
      } else {
        integers_.resize(count);
        std::memcpy(integers_.data(), at, count * sizeof(int64_t));
        tensor::AccumulateMaximum(integers_, rest.first(count));
        at += count * sizeof(int64_t);
      }
      rest = rest.subspan(count);
    }
    return absl::OkStatus();
  }

  // Writes the block's new weights.
  absl::Status End(const Block& block, blobs::BlobWriter& out) {
    char* at = weights_.data();
    std::span<const int64_t> rest(accumulator_);
    for (const Piece& piece : block.pieces) {
      const auto count = static_cast<size_t>(piece.elements);
      if (tensor::IsFloating(piece.tensor->dtype)) {
        floats_.resize(count);
        std::memcpy(floats_.data(), at, count * sizeof(float));
        FEDERITY_RETURN_IF_ERROR(
            tensor::MergePlain(*piece.tensor, floats_, rest.first(count), total_weight_, floats_));
        std::memcpy(at, floats_.data(), count * sizeof(float));
        at += count * sizeof(float);
      } else {
        at = StoreIntegers(piece.tensor->dtype, rest.first(count), at);
      }
      rest = rest.subspan(count);
    }
    return out.Write(std::string_view(weights_.data(), weights_.size()));
  }

 private:
  template <typename T>
  static char* Store(std::span<const int64_t> values, char* at) {
    for (const int64_t value : values) {
      const T narrow = static_cast<T>(value);  // CheckDelta saw that it fits
      std::memcpy(at, &narrow, sizeof narrow);
      at += sizeof narrow;
    }
    return at;
  }
  static char* StoreIntegers(tensor::DType dtype, std::span<const int64_t> values, char* at) {
    switch (dtype) {
      case tensor::DType::kU8:
      case tensor::DType::kBool:
        return Store<uint8_t>(values, at);
      case tensor::DType::kI32:
        return Store<int32_t>(values, at);
      default:
        return Store<int64_t>(values, at);
    }
  }

  const int64_t total_weight_;
  std::vector<char> weights_;
  std::vector<char> delta_;
  std::vector<int64_t> accumulator_;
  std::vector<int32_t> q_;
  std::vector<int64_t> integers_;
  std::vector<float> floats_;
};

}  // namespace

absl::Status MergePlainDeltas(blobs::BlobReader& base, const std::vector<MergeInput>& inputs,
                              blobs::BlobWriter& out, const KeepGoing& keep_going,
                              int64_t block_elements) {
  FEDERITY_ASSIGN_OR_RETURN(const int64_t total_weight, TotalWeight(inputs));
  FEDERITY_ASSIGN_OR_RETURN(const TensorHeader header, ReadTensorHeader(base));
  FEDERITY_ASSIGN_OR_RETURN(const tensor::TensorSpec delta_spec,
                            tensor::PlainDeltaSpec(header.spec));
  const auto weights_begin = static_cast<int64_t>(header.prefix.size());
  const auto delta_begin = static_cast<int64_t>(tensor::EncodeHeader(delta_spec).size());
  FEDERITY_RETURN_IF_ERROR(out.Write(header.prefix));
  Merger merger(total_weight);
  for (const Block& block : CutIntoBlocks(header.spec, delta_spec, block_elements)) {
    FEDERITY_RETURN_IF_ERROR(merger.Begin(block, base, weights_begin));
    for (const MergeInput& input : inputs) {
      FEDERITY_RETURN_IF_ERROR(keep_going());
      FEDERITY_ASSIGN_OR_RETURN(const std::unique_ptr<blobs::BlobReader> delta, input.open());
      FEDERITY_RETURN_IF_ERROR(merger.Add(block, *delta, delta_begin, input.weight));
    }
    FEDERITY_RETURN_IF_ERROR(merger.End(block, out));
  }
  return absl::OkStatus();
}

}  // namespace federity::aggregation
