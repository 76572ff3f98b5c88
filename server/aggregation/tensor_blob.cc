#include "server/aggregation/tensor_blob.h"

#include <algorithm>
#include <span>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::aggregation {

absl::StatusOr<TensorHeader> ReadTensorHeader(blobs::BlobReader& blob) {
  if (blob.size_bytes() < 8) {
    return Error(v1::ERROR_REASON_WEIGHTS_INVALID,
                 StrCat("The file has ", blob.size_bytes(), " bytes: too short."));
  }
  TensorHeader header;
  header.prefix.resize(8);
  FEDERITY_RETURN_IF_ERROR(blob.Read(0, std::span<char>(header.prefix)));
  FEDERITY_ASSIGN_OR_RETURN(const int64_t length, tensor::HeaderLength(header.prefix));
  if (length > blob.size_bytes()) {
    return Error(
        v1::ERROR_REASON_WEIGHTS_INVALID,
        StrCat("The header says it has ", length, " bytes, the file has ", blob.size_bytes(), "."));
  }
  header.prefix.resize(static_cast<size_t>(length));
  FEDERITY_RETURN_IF_ERROR(blob.Read(0, std::span<char>(header.prefix)));
  FEDERITY_ASSIGN_OR_RETURN(header.spec, tensor::DecodeHeader(header.prefix));
  const int64_t expected = length + header.spec.data_bytes();
  if (blob.size_bytes() != expected) {
    return Error(
        v1::ERROR_REASON_WEIGHTS_INVALID,
        StrCat("The file has ", blob.size_bytes(), " bytes, its header promises ", expected, "."));
  }
  return header;
}

std::vector<Block> CutIntoBlocks(const tensor::TensorSpec& weights, const tensor::TensorSpec& delta,
                                 int64_t block_elements) {
  std::vector<Block> blocks;
  Block block;
  int64_t weights_offset = 0;
  int64_t delta_offset = 0;
  const auto finish = [&] {
    if (block.elements > 0) blocks.push_back(std::move(block));
    block = Block{};
    block.weights_offset = weights_offset;
    block.delta_offset = delta_offset;
  };
  for (size_t i = 0; i < weights.tensors.size(); ++i) {
    const tensor::TensorInfo& tensor = weights.tensors[i];
    const int64_t weights_size = tensor::SizeOf(tensor.dtype);
    const int64_t delta_size = tensor::SizeOf(delta.tensors[i].dtype);
    for (int64_t left = tensor.elements(); left > 0;) {
      if (block.elements == block_elements) finish();
      const int64_t take = std::min(left, block_elements - block.elements);
      block.pieces.push_back({&tensor, take});
      block.elements += take;
      block.weights_bytes += take * weights_size;
      block.delta_bytes += take * delta_size;
      weights_offset += take * weights_size;
      delta_offset += take * delta_size;
      left -= take;
    }
  }
  finish();
  return blocks;
}

}  // namespace federity::aggregation
