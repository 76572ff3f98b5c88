#include "common/tensor/plain_delta.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "common/base/errors.h"

namespace federity::tensor {
namespace {

constexpr float kUnit = 0x1p-24f;
const TensorInfo kParameter = {.name = "w", .kind = TensorKind::kParameter};
const TensorInfo kBuffer = {.name = "b", .kind = TensorKind::kBuffer};

std::vector<int32_t> Encode(const TensorInfo& tensor, const std::vector<float>& base,
                            const std::vector<float>& updated) {
  std::vector<int32_t> q(base.size());
  REQUIRE(EncodePlain(tensor, base, updated, q).ok());
  return q;
}

TEST_CASE("Changes round half to even", "[tensor]") {
  const std::vector<float> halves = {0.5f * kUnit,  1.5f * kUnit,  2.5f * kUnit,  -0.5f * kUnit,
                                     -1.5f * kUnit, -2.5f * kUnit, 0.25f * kUnit, 0.75f * kUnit};
  CHECK(Encode(kParameter, std::vector<float>(8, 0.0f), halves) ==
        std::vector<int32_t>{0, 2, 2, 0, -2, -2, 0, 1});
  CHECK(Encode(kBuffer, {0.0f, 1.0f}, {0x1p-17f, 1.5f}) == std::vector<int32_t>{0, 32768});
  CHECK(Encode(kParameter, {}, {}).empty());
}

TEST_CASE("What does not fit is an error that names tensor, value and limit", "[tensor]") {
  // The extremes that fit: -2^31 and the largest below 2^31.
  CHECK(Encode(kParameter, {64.0f, -64.0f}, {-64.0f, 63.99999237060547f}) ==
        std::vector<int32_t>{std::numeric_limits<int32_t>::min(), 2147483520});
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float max = std::numeric_limits<float>::max();
  const std::pair<float, float> bad[] = {{0.0f, 128.0f}, {64.0f, -64.00001f}, {0.0f, inf},
                                         {inf, inf},     {0.0f, nan},         {nan, 0.0f},
                                         {-max, max},    {0.0f, -inf}};
  for (const auto& [base, updated] : bad) {
    for (const size_t at : {size_t{0}, size_t{7}, size_t{16}}) {  // in and behind a vector
      std::vector<float> bases(17, 1.0f);
      std::vector<float> updates(17, 1.0f);
      bases[at] = base;
      updates[at] = updated;
      std::vector<int32_t> q(17);
      const absl::Status status = EncodePlain(kParameter, bases, updates, q);
      INFO(base << " to " << updated << ": " << status.message());
      CHECK(absl::IsOutOfRange(status));
      CHECK(ReasonOf(status) == v1::ERROR_REASON_DELTA_NOT_FINITE);
      CHECK(MetadataOf(status)["tensor"] == "w");
      CHECK(MetadataOf(status)["limit"] == "128");
    }
  }
  std::vector<int32_t> q(1);
  CHECK(Encode(kBuffer, {0.0f}, {32767.0f}) == std::vector<int32_t>{32767 << 16});
  CHECK(MetadataOf(EncodePlain(kBuffer, std::vector<float>{0.0f}, std::vector<float>{32768.0f}, q))
            .at("limit") == "32768");
  CHECK_FALSE(EncodePlain(kParameter, std::vector<float>{1.0f}, std::vector<float>{}, q).ok());
}

TEST_CASE("Division rounds half to even", "[tensor]") {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  CHECK(DivideHalfEven(1, 2) == 0);
  CHECK(DivideHalfEven(3, 2) == 2);
  CHECK(DivideHalfEven(5, 2) == 2);
  CHECK(DivideHalfEven(-1, 2) == 0);
  CHECK(DivideHalfEven(-3, 2) == -2);
  CHECK(DivideHalfEven(-5, 2) == -2);
  CHECK(DivideHalfEven(2, 3) == 1);
  CHECK(DivideHalfEven(-2, 3) == -1);
  CHECK(DivideHalfEven(kMax, 1) == kMax);
  CHECK(DivideHalfEven(kMin, 1) == kMin);
  CHECK(DivideHalfEven(kMin, 2) == kMin / 2);
  CHECK(DivideHalfEven(kMax, kMax) == 1);
  CHECK(DivideHalfEven(kMin, kMax) == -1);
  CHECK(DivideHalfEven(kMax / 2, kMax) == 0);
  CHECK(DivideHalfEven(kMax / 2 + 1, kMax) == 1);
}

TEST_CASE("The sum of squares is exact", "[tensor]") {
  constexpr int32_t kMin = std::numeric_limits<int32_t>::min();
  CHECK(SumOfSquares({}) == 0);
  const std::vector<int32_t> q(1001, kMin);
  CHECK(SumOfSquares(q) == (absl::uint128(1001) << 62));
  CHECK(NormFromSumOfSquares(absl::uint128(1) << 48) == 1.0);
  CHECK(NormFromSumOfSquares(SumOfSquares(std::vector<int32_t>{3 << 24, 4 << 24})) == 5.0);
  std::mt19937 random(3);
  absl::uint128 expected = 0;
  std::vector<int32_t> mixed(777);
  for (int32_t& value : mixed) {
    value = static_cast<int32_t>(random());
    expected += static_cast<absl::uint128>(absl::int128(value) * value);
  }
  CHECK(SumOfSquares(mixed) == expected);
}

TEST_CASE("Sums cannot wrap below the limit", "[tensor]") {
  CHECK(CheckNoOverflow(0).ok());
  const int64_t most = (int64_t{1} << 32) - 1;
  CHECK(CheckNoOverflow(most).ok());
  const absl::Status status = CheckNoOverflow(most + 1);
  CHECK(ReasonOf(status) == v1::ERROR_REASON_OVERFLOW_POSSIBLE);
  CHECK(MetadataOf(status)["total_weight"] == "4294967296");
  // The worst case at the limit, really summed.
  std::vector<int64_t> acc(9, 0);
  const std::vector<int32_t> lowest(9, std::numeric_limits<int32_t>::min());
  AccumulatePlain(std::numeric_limits<int32_t>::max(), lowest, acc);
  AccumulatePlain(most - std::numeric_limits<int32_t>::max(), lowest, acc);  // the wide path
  CHECK(acc == std::vector<int64_t>(9, -(most << 31)));
  std::vector<float> merged(9);
  CHECK(MergePlain(kParameter, std::vector<float>(9, 0.0f), acc, most, merged).ok());
  CHECK(merged == std::vector<float>(9, -128.0f));
}

TEST_CASE("Merging does not depend on order or blocks", "[tensor]") {
  constexpr size_t kSize = 1003;
  std::mt19937_64 random(11);
  std::vector<std::vector<int32_t>> updates(7, std::vector<int32_t>(kSize));
  for (auto& update : updates)
    for (int32_t& value : update) value = static_cast<int32_t>(random());
  const std::vector<int64_t> weights = {1, 100'000, 17, 3, 99'999, 65'536, 2};
  std::vector<float> base(kSize);
  for (float& value : base) value = static_cast<float>(random() % 1000) / 7.0f;
  const int64_t total = 265'558;

  const auto merge = [&](const std::vector<size_t>& order, size_t block) {
    std::vector<float> merged(kSize);
    for (size_t from = 0; from < kSize; from += block) {
      const size_t size = std::min(block, kSize - from);
      std::vector<int64_t> acc(size, 0);
      for (const size_t i : order)
        AccumulatePlain(weights[i], std::span(updates[i]).subspan(from, size), acc);
      REQUIRE(MergePlain(kParameter, std::span(base).subspan(from, size), acc, total,
                         std::span(merged).subspan(from, size))
                  .ok());
    }
    return merged;
  };
  const std::vector<float> once = merge({0, 1, 2, 3, 4, 5, 6}, kSize);
  CHECK(merge({6, 5, 4, 3, 2, 1, 0}, kSize) == once);
  CHECK(merge({3, 0, 6, 1, 5, 2, 4}, 1) == once);
  CHECK(merge({3, 0, 6, 1, 5, 2, 4}, 64) == once);
  CHECK(merge({1, 2, 3, 4, 5, 6, 0}, 333) == once);
}

TEST_CASE("Merging works in place and refuses results that are not finite", "[tensor]") {
  std::vector<float> weights = {1.0f, -2.0f};
  const std::vector<int64_t> acc = {int64_t{3} << 24, int64_t{-3} << 24};
  REQUIRE(MergePlain(kParameter, weights, acc, 3, weights).ok());
  CHECK(weights == std::vector<float>{2.0f, -3.0f});
  std::vector<float> out(1);
  const absl::Status status =
      MergePlain(kBuffer, std::vector<float>{std::numeric_limits<float>::infinity()},
                 std::vector<int64_t>{0}, 1, out);
  CHECK(absl::IsOutOfRange(status));
  CHECK(ReasonOf(status) == v1::ERROR_REASON_DELTA_NOT_FINITE);
  CHECK(MetadataOf(status)["tensor"] == "b");
  CHECK_FALSE(MergePlain(kBuffer, std::vector<float>{1.0f}, std::vector<int64_t>{0}, 0, out).ok());
  CHECK_FALSE(MergePlain(kBuffer, std::vector<float>{1.0f}, std::vector<int64_t>{}, 1, out).ok());
}

TEST_CASE("Integer buffers take the maximum", "[tensor]") {
  std::vector<int64_t> acc = {1, 5, std::numeric_limits<int64_t>::min(), -3};
  AccumulateMaximum(std::vector<int64_t>{2, 4, std::numeric_limits<int64_t>::max(), -4}, acc);
  CHECK(acc == std::vector<int64_t>{2, 5, std::numeric_limits<int64_t>::max(), -3});
}

TEST_CASE("A delta's spec follows from the weights'", "[tensor]") {
  const auto tensor = [](std::string name, DType dtype, TensorKind kind) {
    return TensorInfo{.name = std::move(name), .dtype = dtype, .shape = {2}, .kind = kind};
  };
  const auto weights =
      MakeTensorSpec(kWeightsEncoding, {tensor("w", DType::kF32, TensorKind::kParameter),
                                        tensor("mean", DType::kF32, TensorKind::kBuffer),
                                        tensor("count", DType::kI64, TensorKind::kBuffer),
                                        tensor("small", DType::kU8, TensorKind::kBuffer)});
  REQUIRE(weights.ok());
  const auto delta = PlainDeltaSpec(*weights);
  REQUIRE(delta.ok());
  CHECK(delta->encoding == kPlainDeltaEncoding);
  CHECK(delta->tensors[0].dtype == DType::kI32);
  CHECK(delta->tensors[1].dtype == DType::kI32);
  CHECK(delta->tensors[1].kind == TensorKind::kBuffer);
  CHECK(delta->tensors[2].dtype == DType::kI64);
  CHECK(delta->tensors[3].dtype == DType::kI64);
  CHECK(delta->tensors[3].offset == 32);
  CHECK(ScaleBits(delta->tensors[0]) == 24);
  CHECK(ScaleBits(delta->tensors[1]) == 16);
  for (const DType dtype : {DType::kF64, DType::kBool}) {
    const auto bad = MakeTensorSpec("x", {tensor("odd", dtype, TensorKind::kParameter)});
    const absl::Status status = PlainDeltaSpec(*bad).status();
    CHECK(absl::IsInvalidArgument(status));
    CHECK(MetadataOf(status)["tensor"] == "odd");
  }
}

}  // namespace
}  // namespace federity::tensor
