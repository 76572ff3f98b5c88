#include "common/tensor/plain_delta.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "common/base/errors.h"
#include "common/base/strings.h"

// Dispatch at run time: Debian's baseline is SSE2. The sanitizers start before
// the resolvers that it needs; clang 14 lacks it.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(FEDERITY_SANITIZED)
#define FEDERITY_VECTORISED __attribute__((target_clones("avx2", "default")))
#else
#define FEDERITY_VECTORISED
#endif

namespace federity::tensor {
namespace {

constexpr double kLowest = std::numeric_limits<int32_t>::min();
constexpr double kHighest = std::numeric_limits<int32_t>::max();
// Adding and subtracting 1.5·2^52 rounds |x| < 2^51 half to even, and unlike a
// call of nearbyint vectorises on SSE2.
constexpr double kRounder = 6755399441055744.0;
// 2^32 halves of squares below 2^32 fit 64 bits.
constexpr size_t kSquaresBlock = size_t{1} << 30;

double ScaleOf(const TensorInfo& tensor) { return std::ldexp(1.0, ScaleBits(tensor)); }

// False if a value does not fit; q is then undefined.
FEDERITY_VECTORISED bool Quantise(const float* base, const float* updated, size_t size,
                                  double scale, int32_t* q) {
  int bad = 0;
  for (size_t i = 0; i < size; ++i) {
    const double exact = (double{updated[i]} - double{base[i]}) * scale;
    const double rounded = (exact + kRounder) - kRounder;
    const bool fits = rounded >= kLowest && rounded <= kHighest;  // not for NaN
    bad |= fits ? 0 : 1;
    q[i] = static_cast<int32_t>(fits ? rounded : 0.0);
  }
  return bad == 0;
}

FEDERITY_VECTORISED void AddSquares(const int32_t* q, size_t size, uint64_t* low, uint64_t* high) {
  uint64_t low_sum = 0;
  uint64_t high_sum = 0;
  for (size_t i = 0; i < size; ++i) {
    const uint64_t square = static_cast<uint64_t>(int64_t{q[i]} * int64_t{q[i]});
    low_sum += square & 0xffffffff;
    high_sum += square >> 32;
  }
  *low = low_sum;
  *high = high_sum;
}

// 32 × 32 → 64 bits is one instruction; 64 × 64 is not.
FEDERITY_VECTORISED void AddWeighted(int32_t weight, const int32_t* q, size_t size, int64_t* acc) {
  for (size_t i = 0; i < size; ++i) acc[i] += int64_t{weight} * int64_t{q[i]};
}

FEDERITY_VECTORISED void AddWeightedWide(int64_t weight, const int32_t* q, size_t size,
                                         int64_t* acc) {
  for (size_t i = 0; i < size; ++i) acc[i] += weight * int64_t{q[i]};
}

FEDERITY_VECTORISED void TakeMaximum(const int64_t* value, size_t size, int64_t* acc) {
  for (size_t i = 0; i < size; ++i) acc[i] = acc[i] < value[i] ? value[i] : acc[i];
}

}  // namespace

absl::StatusOr<TensorSpec> PlainDeltaSpec(const TensorSpec& weights) {
  std::vector<TensorInfo> tensors = weights.tensors;
  for (TensorInfo& tensor : tensors) {
    switch (tensor.dtype) {
      case DType::kF32:
        tensor.dtype = DType::kI32;
        break;
      case DType::kI32:
      case DType::kI64:
      case DType::kU8:
        tensor.dtype = DType::kI64;
        break;
      case DType::kF64:
      case DType::kBool:
        return Error(v1::ERROR_REASON_WEIGHTS_INVALID,
                     StrCat("tensor ", tensor.name, " is ", DTypeName(tensor.dtype),
                            "; training takes F32 and whole numbers"),
                     {{"tensor", tensor.name}});
    }
  }
  return MakeTensorSpec(kPlainDeltaEncoding, std::move(tensors));
}

int ScaleBits(const TensorInfo& tensor) {
  return tensor.kind == TensorKind::kParameter ? kParameterScaleBits : kBufferScaleBits;
}

absl::Status EncodePlain(const TensorInfo& tensor, std::span<const float> base,
                         std::span<const float> updated, std::span<int32_t> q) {
  if (base.size() != updated.size() || base.size() != q.size())
    return absl::InvalidArgumentError("base, update and result differ in size");
  const double scale = ScaleOf(tensor);
  if (Quantise(base.data(), updated.data(), q.size(), scale, q.data())) return absl::OkStatus();
  for (size_t i = 0; i < q.size(); ++i) {
    const double change = double{updated[i]} - double{base[i]};
    if (Quantise(&base[i], &updated[i], 1, scale, &q[i])) continue;
    const std::string value = StrCat(change);
    const std::string limit = StrCat(kHighest / scale);
    return Error(v1::ERROR_REASON_DELTA_NOT_FINITE,
                 StrCat("tensor ", tensor.name, ": value ", i, " changed by ", value,
                        "; an update changes no value by more than ", limit,
                        ". Lower training.learning_rate."),
                 {{"tensor", tensor.name}, {"value", value}, {"limit", limit}});
  }
  return absl::InternalError("a value did not fit and then did");
}

absl::uint128 SumOfSquares(std::span<const int32_t> q) {
  absl::uint128 sum = 0;
  while (!q.empty()) {
    const size_t size = std::min(q.size(), kSquaresBlock);
    uint64_t low = 0;
    uint64_t high = 0;
    AddSquares(q.data(), size, &low, &high);
    sum += (absl::uint128(high) << 32) + low;
    q = q.subspan(size);
  }
  return sum;
}

double NormFromSumOfSquares(absl::uint128 sum_of_squares) {
  return std::ldexp(std::sqrt(static_cast<double>(sum_of_squares)), -kParameterScaleBits);
}

void AccumulatePlain(int64_t weight, std::span<const int32_t> q, std::span<int64_t> acc) {
  const size_t size = std::min(q.size(), acc.size());
  if (weight >= 0 && weight <= std::numeric_limits<int32_t>::max()) {
    AddWeighted(static_cast<int32_t>(weight), q.data(), size, acc.data());
  } else {
    AddWeightedWide(weight, q.data(), size, acc.data());
  }
}

void AccumulateMaximum(std::span<const int64_t> value, std::span<int64_t> acc) {
  TakeMaximum(value.data(), std::min(value.size(), acc.size()), acc.data());
}

absl::Status CheckNoOverflow(int64_t total_weight) {
  constexpr int64_t kLimit = int64_t{1} << 32;  // total · 2^31 < 2^63
  if (total_weight < kLimit) return absl::OkStatus();
  return Error(v1::ERROR_REASON_OVERFLOW_POSSIBLE,
               StrCat("the contributors' weights add up to ", total_weight,
                      "; sums are exact below ", kLimit, ". Lower aggregation.max_examples."),
               {{"total_weight", StrCat(total_weight)}, {"limit", StrCat(kLimit)}});
}

absl::Status MergePlain(const TensorInfo& tensor, std::span<const float> base,
                        std::span<const int64_t> acc, int64_t total_weight,
                        std::span<float> merged) {
  if (base.size() != acc.size() || base.size() != merged.size() || total_weight <= 0)
    return absl::InvalidArgumentError("base, sums and result differ in size, or no weight");
  const double unit = std::ldexp(1.0, -ScaleBits(tensor));
  for (size_t i = 0; i < base.size(); ++i) {
    const double mean = static_cast<double>(DivideHalfEven(acc[i], total_weight));
    const float value = static_cast<float>(double{base[i]} + mean * unit);
    if (!std::isfinite(value))
      return Error(v1::ERROR_REASON_DELTA_NOT_FINITE,
                   StrCat("tensor ", tensor.name, ": merging makes value ", i, " infinite"),
                   {{"tensor", tensor.name}});
    merged[i] = value;
  }
  return absl::OkStatus();
}

int64_t DivideHalfEven(int64_t a, int64_t b) {
  const int64_t quotient = a / b;  // towards zero
  const int64_t rest = std::abs(a % b);
  const int64_t to_next = b - rest;
  const bool away = rest > to_next || (rest == to_next && quotient % 2 != 0);
  return away ? quotient + (a < 0 ? -1 : 1) : quotient;
}

}  // namespace federity::tensor
