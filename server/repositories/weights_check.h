#ifndef FEDERITY_SERVER_REPOSITORIES_WEIGHTS_CHECK_H_
#define FEDERITY_SERVER_REPOSITORIES_WEIGHTS_CHECK_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/tensor/safetensors.h"
#include "server/blobs/blob_store.h"

namespace federity::repositories {

// Reads the header of a commit's weights. WEIGHTS_INVALID if it is not the
// canonical header of a `weights-1` file of exactly this size, or has tensors
// that no update can be made for.
absl::StatusOr<tensor::TensorSpec> ReadWeightsSpec(blobs::BlobReader& weights);

// Reads all values, block by block. WEIGHTS_INVALID naming the tensor and
// position of one that is not finite (or no truth value); CANCELLED once
// `cancelled`, asked between blocks, says so.
absl::Status CheckWeightsFinite(blobs::BlobReader& weights, const tensor::TensorSpec& spec,
                                const std::function<bool()>& cancelled);

// TENSORS_MISMATCH naming the first difference.
absl::Status CheckSameTensors(const tensor::TensorSpec& expected, const tensor::TensorSpec& actual);

}  // namespace federity::repositories

#endif  // FEDERITY_SERVER_REPOSITORIES_WEIGHTS_CHECK_H_
