#ifndef FEDERITY_SERVER_AGGREGATION_DELTA_CHECK_H_
#define FEDERITY_SERVER_AGGREGATION_DELTA_CHECK_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/tensor/safetensors.h"
#include "server/aggregation/tensor_blob.h"
#include "server/blobs/blob_store.h"

namespace federity::aggregation {

// What a contribution's bytes are, once they were read from end to end.
struct DeltaFacts {
  double norm = 0;  // L2 over the floating parameters, in real units
};

// Reads a `plain` delta to weights with this spec, block by block, and checks
// everything that merging relies on. A refusal of the contributor's bytes is
//   DELTA_MALFORMED      not the canonical encoding, wrong size, or a value that
//                        an integer tensor of the weights cannot hold
//   TENSORS_MISMATCH     a well-formed delta to other weights (names a tensor)
//   DELTA_NORM_EXCEEDED  the norm is beyond `max_update_norm`
// (IsRefusal tells them from faults of our own). That a merge of checked deltas
// is finite follows from finite weights: |q·2^-24| <= 128 never carries a float
// past its largest value, because it is less than half of that value's last
// place; so it is the weights that a merge checks.
absl::StatusOr<DeltaFacts> CheckDelta(blobs::BlobReader& delta, const tensor::TensorSpec& weights,
                                      double max_update_norm, const KeepGoing& keep_going);

// Whether an error of CheckDelta says that the contribution is at fault.
bool IsRefusal(const absl::Status& status);

}  // namespace federity::aggregation

#endif  // FEDERITY_SERVER_AGGREGATION_DELTA_CHECK_H_
