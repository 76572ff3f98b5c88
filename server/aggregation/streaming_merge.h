#ifndef FEDERITY_SERVER_AGGREGATION_STREAMING_MERGE_H_
#define FEDERITY_SERVER_AGGREGATION_STREAMING_MERGE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/aggregation/tensor_blob.h"
#include "server/blobs/blob_store.h"

namespace federity::aggregation {

// One accepted contribution. Its blob is opened for each block anew, so that a
// merge holds one file and one frame open, whatever the cohort.
struct MergeInput {
  std::function<absl::StatusOr<std::unique_ptr<blobs::BlobReader>>()> open;
  int64_t weight = 0;  // min(examples, max_examples), at least 1
};

// FedAvg as decision 2 has it: reads the base weights and every delta block by
// block, in the order of `inputs`, and writes the new weights to `out`, which
// the caller seals. The bytes are a function of the set of inputs alone.
// REQUIRES: CheckDelta passed for every input, against these weights.
//   OVERFLOW_POSSIBLE   the sum of weights is too large
//   DELTA_NOT_FINITE    a merged value is not finite (names the tensor)
//   the store's errors, and keep_going's
absl::Status MergePlainDeltas(blobs::BlobReader& base, const std::vector<MergeInput>& inputs,
                              blobs::BlobWriter& out, const KeepGoing& keep_going,
                              int64_t block_elements = kBlockElements);

}  // namespace federity::aggregation

#endif  // FEDERITY_SERVER_AGGREGATION_STREAMING_MERGE_H_
