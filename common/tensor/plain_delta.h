#ifndef FEDERITY_COMMON_TENSOR_PLAIN_DELTA_H_
#define FEDERITY_COMMON_TENSOR_PLAIN_DELTA_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/tensor/safetensors.h"

namespace federity::tensor {

// The `plain` encoding of an update (docs/formats/delta.md): for each floating
// parameter q = round-half-even((new - base)·2^24), for each floating buffer
// round-half-even((new - base)·2^16), both int32; for each integer buffer the
// new value, int64. Merging is exact integer arithmetic, so a merge is
// bit-identical for any order, thread count and machine.

inline constexpr int kParameterScaleBits = 24;
inline constexpr int kBufferScaleBits = 16;

// The spec of a delta to these weights: same names, order, shapes and kinds;
// floating tensors I32, integer ones I64. INVALID_ARGUMENT if a tensor of the
// weights is neither F32 nor integer.
absl::StatusOr<TensorSpec> PlainDeltaSpec(const TensorSpec& weights);

// Scale of a floating tensor's integers: 24 or 16.
int ScaleBits(const TensorInfo& tensor);

// One floating tensor (or block of it): writes q. OUT_OF_RANGE with tensor,
// value and limit if a value is not finite or does not fit int32: never a clip.
absl::Status EncodePlain(const TensorInfo& tensor, std::span<const float> base,
                         std::span<const float> updated, std::span<int32_t> q);

// Σ q², exactly.
absl::uint128 SumOfSquares(std::span<const int32_t> q);
// The L2 norm in real units of parameters whose Σ q² this is.
double NormFromSumOfSquares(absl::uint128 sum_of_squares);

// acc[i] += weight · q[i]. REQUIRES: the caller checked that the total fits
// (CheckNoOverflow).
void AccumulatePlain(int64_t weight, std::span<const int32_t> q, std::span<int64_t> acc);

// acc[i] = max(acc[i], value[i]): integer buffers.
void AccumulateMaximum(std::span<const int64_t> value, std::span<int64_t> acc);

// OK if Σ weights · 2^31 < 2^63: no sum can wrap. OVERFLOW_POSSIBLE with the
// figures otherwise. `total_weight` is Σ min(examples, max_examples) or its
// upper bound n · max_examples.
absl::Status CheckNoOverflow(int64_t total_weight);

// w' = float32(double(w) + mean·2^-scale), mean = acc / total_weight rounded
// half to even in integers. OUT_OF_RANGE (DELTA_NOT_FINITE) naming the tensor
// if a result is not finite. `merged` may be `base`.
absl::Status MergePlain(const TensorInfo& tensor, std::span<const float> base,
                        std::span<const int64_t> acc, int64_t total_weight,
                        std::span<float> merged);

// a / b rounded half to even; REQUIRES: b > 0.
int64_t DivideHalfEven(int64_t a, int64_t b);

}  // namespace federity::tensor

#endif  // FEDERITY_COMMON_TENSOR_PLAIN_DELTA_H_
