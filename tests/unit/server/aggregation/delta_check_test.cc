#include "server/aggregation/delta_check.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/errors.h"
#include "common/tensor/plain_delta.h"
#include "tests/unit/server/aggregation/memory_blobs.h"

namespace federity::aggregation {
namespace {

using tensor::DType;
using tensor::TensorKind;

// An odd count before the integers, so that those lie unaligned.
tensor::TensorSpec Weights() {
  return Spec({{"w", DType::kF32, {3}, TensorKind::kParameter},
               {"mean", DType::kF32, {2}, TensorKind::kBuffer},
               {"seen", DType::kI64, {}, TensorKind::kBuffer},
               {"flag", DType::kU8, {2}, TensorKind::kBuffer}});
}

std::string Delta(const std::vector<int32_t>& w, const std::vector<int32_t>& mean,
                  const std::vector<int64_t>& integers) {
  return tensor::EncodeHeader(*tensor::PlainDeltaSpec(Weights())) + BytesOf(w) + BytesOf(mean) +
         BytesOf(integers);
}

absl::StatusOr<DeltaFacts> Check(const std::string& bytes, double max_norm = 10) {
  MemoryReader reader(bytes);
  return CheckDelta(reader, Weights(), max_norm, [] { return absl::OkStatus(); });
}

TEST_CASE("A good delta passes, with the norm of its parameters", "[aggregation]") {
  const auto facts = Check(Delta({3 << 24, 4 << 24, 0}, {1 << 30, 1 << 30}, {7, 0, 255}));
  REQUIRE(facts.ok());
  CHECK(facts->norm == Approx(5));
}

TEST_CASE("The norm's limit includes itself", "[aggregation]") {
  const std::string delta = Delta({3 << 24, 4 << 24, 0}, {0, 0}, {7, 0, 0});
  CHECK(Check(delta, 5).ok());
  const auto refused = Check(delta, 4.999999);
  CHECK(ReasonOf(refused.status()) == v1::ERROR_REASON_DELTA_NORM_EXCEEDED);
  CHECK(IsRefusal(refused.status()));
  CHECK(MetadataOf(refused.status())["norm"] == "5");
}

TEST_CASE("Extreme values neither wrap nor pass", "[aggregation]") {
  const auto refused = Check(Delta({INT32_MIN, INT32_MIN, INT32_MAX}, {0, 0}, {0, 0, 0}));
  CHECK(ReasonOf(refused.status()) == v1::ERROR_REASON_DELTA_NORM_EXCEEDED);
}

TEST_CASE("A delta of another size or header is malformed", "[aggregation]") {
  const std::string good = Delta({0, 0, 0}, {0, 0}, {0, 0, 0});
  std::string other_header = good;
  other_header[9] ^= 1;
  std::string other_length = good;
  other_length[0] ^= 1;
  const std::vector<std::string> bad = {"",
                                        "short",
                                        good.substr(0, good.size() - 1),
                                        good + "x",
                                        good.substr(0, 8),
                                        other_header,
                                        other_length,
                                        std::string(good.size(), '\0'),
                                        std::string(1 << 16, '\xff')};
  for (const std::string& bytes : bad) {
    const auto refused = Check(bytes);
    INFO(refused.status().ToString());
    CHECK(ReasonOf(refused.status()) == v1::ERROR_REASON_DELTA_MALFORMED);
    CHECK(IsRefusal(refused.status()));
  }
}

TEST_CASE("A delta to other weights is a mismatch that names the tensor", "[aggregation]") {
  auto tensors = Weights().tensors;
  tensors[0].shape = {4};
  const auto other = tensor::PlainDeltaSpec(Spec(tensors));
  const std::string bytes =
      tensor::EncodeHeader(*other) + std::string(static_cast<size_t>(other->data_bytes()), '\0');
  const auto refused = Check(bytes);
  CHECK(ReasonOf(refused.status()) == v1::ERROR_REASON_TENSORS_MISMATCH);
  CHECK(MetadataOf(refused.status())["tensor"] == "w");
}

TEST_CASE("Weights instead of a delta are malformed", "[aggregation]") {
  const std::string bytes = tensor::EncodeHeader(Weights()) +
                            std::string(static_cast<size_t>(Weights().data_bytes()), '\0');
  CHECK(ReasonOf(Check(bytes).status()) == v1::ERROR_REASON_DELTA_MALFORMED);
}

TEST_CASE("Integers must fit the tensor they are for", "[aggregation]") {
  CHECK(Check(Delta({0, 0, 0}, {0, 0}, {INT64_MAX, 0, 255})).ok());
  for (const int64_t value : {int64_t{256}, int64_t{-1}}) {
    const auto refused = Check(Delta({0, 0, 0}, {0, 0}, {0, 0, value}));
    CHECK(ReasonOf(refused.status()) == v1::ERROR_REASON_DELTA_MALFORMED);
    CHECK(MetadataOf(refused.status())["tensor"] == "flag");
  }
}

TEST_CASE("Losing the lease ends the check and is no refusal", "[aggregation]") {
  MemoryReader reader(Delta({0, 0, 0}, {0, 0}, {0, 0, 0}));
  const auto stopped =
      CheckDelta(reader, Weights(), 1, [] { return absl::CancelledError("gone"); });
  CHECK(absl::IsCancelled(stopped.status()));
  CHECK_FALSE(IsRefusal(stopped.status()));
}

}  // namespace
}  // namespace federity::aggregation
