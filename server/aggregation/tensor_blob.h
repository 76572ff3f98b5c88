#ifndef FEDERITY_SERVER_AGGREGATION_TENSOR_BLOB_H_
#define FEDERITY_SERVER_AGGREGATION_TENSOR_BLOB_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/tensor/safetensors.h"
#include "server/blobs/blob_store.h"

namespace federity::aggregation {

// Elements that are worked on at once (decision 4): what bounds the memory.
inline constexpr int64_t kBlockElements = int64_t{1} << 20;

// Asked between blocks of long work; an error (lease lost, shutting down) ends
// the work with that error.
using KeepGoing = std::function<absl::Status()>;

// A safetensors file in a blob: its spec, and the bytes before its data.
struct TensorHeader {
  tensor::TensorSpec spec;
  std::string prefix;
};

// Reads and parses the header. WEIGHTS_INVALID for a file that is no canonical
// one or whose size is not what its header says; the store's errors otherwise.
absl::StatusOr<TensorHeader> ReadTensorHeader(blobs::BlobReader& blob);

// A run of elements of one tensor.
struct Piece {
  const tensor::TensorInfo* tensor;  // of the weights
  int64_t elements;
};

// Pieces that lie side by side in the weights and in every delta to them, at
// most kBlockElements elements together: small tensors share a read.
struct Block {
  std::vector<Piece> pieces;
  int64_t elements = 0;
  int64_t weights_offset = 0;  // from the start of the data section
  int64_t weights_bytes = 0;
  int64_t delta_offset = 0;
  int64_t delta_bytes = 0;
};

// Cuts all tensors into blocks, in order. `weights` must outlive them. REQUIRES:
// `delta` is PlainDeltaSpec(weights).
std::vector<Block> CutIntoBlocks(const tensor::TensorSpec& weights, const tensor::TensorSpec& delta,
                                 int64_t block_elements = kBlockElements);

}  // namespace federity::aggregation

#endif  // FEDERITY_SERVER_AGGREGATION_TENSOR_BLOB_H_
