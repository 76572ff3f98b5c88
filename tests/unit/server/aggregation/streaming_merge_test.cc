#include "server/aggregation/streaming_merge.h"

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "common/base/errors.h"
#include "common/crypto/digest.h"
#include "common/tensor/plain_delta.h"
#include "tests/unit/server/aggregation/memory_blobs.h"

namespace federity::aggregation {
namespace {

using Json = nlohmann::json;
using tensor::DType;
using tensor::TensorKind;

struct Cohort {
  tensor::TensorSpec spec;
  std::string base;                 // data section
  std::vector<std::string> deltas;  // data sections
  std::vector<int64_t> weights;
};

absl::StatusOr<std::string> Merge(
    const Cohort& cohort, int64_t block = kBlockElements,
    const KeepGoing& keep_going = [] { return absl::OkStatus(); }) {
  const std::string header = tensor::EncodeHeader(cohort.spec);
  const std::string delta_header = tensor::EncodeHeader(*tensor::PlainDeltaSpec(cohort.spec));
  MemoryReader base(header + cohort.base);
  std::vector<MergeInput> inputs;
  for (size_t i = 0; i < cohort.deltas.size(); ++i) {
    inputs.push_back({.open = [bytes = delta_header + cohort.deltas[i]]()
                          -> absl::StatusOr<std::unique_ptr<blobs::BlobReader>> {
                        return std::make_unique<MemoryReader>(bytes);
                      },
                      .weight = cohort.weights[i]});
  }
  MemoryWriter out;
  const absl::Status status = MergePlainDeltas(base, inputs, out, keep_going, block);
  if (!status.ok()) return status;
  if (out.bytes.substr(0, header.size()) != header) return absl::InternalError("other header");
  return out.bytes.substr(header.size());
}

std::vector<float> FloatsFromBits(const Json& list) {
  std::vector<float> values;
  for (const std::string bits : list) {
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(std::stoul(bits, nullptr, 16))));
  }
  return values;
}

TEST_CASE("The streaming merge gives the golden vectors", "[aggregation][golden]") {
  std::ifstream file(std::string(FEDERITY_GOLDEN_DIR) + "/tensor/fedavg_vectors.json");
  const Json vectors = Json::parse(file);
  int merged = 0;
  for (const Json& vector : vectors["vectors"]) {
    if (!vector.contains("base")) continue;  // the generated ones are the tensor library's test
    INFO(vector["name"]);
    const auto base = FloatsFromBits(vector["base"]);
    const auto kind = vector["kind"] == "buffer" ? TensorKind::kBuffer : TensorKind::kParameter;
    Cohort cohort;
    cohort.spec = Spec({{"t", DType::kF32, {static_cast<int64_t>(base.size())}, kind}});
    cohort.base = BytesOf(base);
    for (const Json& contribution : vector["contributions"]) {
      cohort.deltas.push_back(BytesOf(contribution["q"].get<std::vector<int32_t>>()));
      cohort.weights.push_back(
          std::min(contribution["examples"].get<int64_t>(), vector["max_examples"].get<int64_t>()));
    }
    const auto result = Merge(cohort);
    REQUIRE(result.ok());
    CHECK(crypto::Sha256(*result).Hex() == vector["merged_sha256"]);
    ++merged;
  }
  CHECK(merged > 5);
}

// Many small tensors of every kind, with counts that make blocks end within them.
Cohort RandomCohort(size_t contributors) {
  std::mt19937_64 random(7);
  Cohort cohort;
  cohort.spec = Spec({{"a", DType::kF32, {5, 7}, TensorKind::kParameter},
                      {"b", DType::kI64, {}, TensorKind::kBuffer},
                      {"c", DType::kF32, {13}, TensorKind::kBuffer},
                      {"d", DType::kU8, {3}, TensorKind::kBuffer},
                      {"e", DType::kF32, {0}, TensorKind::kParameter},
                      {"f", DType::kI32, {4}, TensorKind::kBuffer},
                      {"g", DType::kF32, {101}, TensorKind::kParameter}});
  const auto delta_spec = *tensor::PlainDeltaSpec(cohort.spec);
  for (size_t i = 0; i < contributors + 1; ++i) {
    std::string data;
    for (size_t t = 0; t < cohort.spec.tensors.size(); ++t) {
      const auto& tensor = cohort.spec.tensors[t];
      const auto n = static_cast<size_t>(tensor.elements());
      std::vector<float> floats(n);
      std::vector<int32_t> q(n);
      std::vector<int64_t> wide(n);
      for (size_t k = 0; k < n; ++k) {
        floats[k] = static_cast<float>(static_cast<double>(random() % 2000) / 1000 - 1);
        q[k] = static_cast<int32_t>(random() % (1 << 26)) - (1 << 25);
        wide[k] = static_cast<int64_t>(random() % 2);
      }
      if (tensor::IsFloating(tensor.dtype)) {
        data += i == 0 ? BytesOf(floats) : BytesOf(q);
      } else if (i == 0) {
        data += std::string(n * static_cast<size_t>(tensor::SizeOf(tensor.dtype)), '\0');
      } else {
        data += BytesOf(wide);
      }
    }
    if (i == 0) {
      cohort.base = data;
    } else {
      REQUIRE(static_cast<int64_t>(data.size()) == delta_spec.data_bytes());
      cohort.deltas.push_back(data);
      cohort.weights.push_back(static_cast<int64_t>(random() % 100'000) + 1);
    }
  }
  return cohort;
}

TEST_CASE("A merge does not depend on block size or order", "[aggregation]") {
  Cohort cohort = RandomCohort(5);
  const auto expected = Merge(cohort);
  REQUIRE(expected.ok());
  for (const int64_t block : {int64_t{1}, int64_t{2}, int64_t{7}, int64_t{64}, int64_t{157}}) {
    CHECK(*Merge(cohort, block) == *expected);
  }
  std::vector<size_t> order = {0, 1, 2, 3, 4};
  while (std::next_permutation(order.begin(), order.end())) {
    Cohort shuffled = cohort;
    for (size_t i = 0; i < order.size(); ++i) {
      shuffled.deltas[i] = cohort.deltas[order[i]];
      shuffled.weights[i] = cohort.weights[order[i]];
    }
    REQUIRE(*Merge(shuffled) == *expected);
  }
}

TEST_CASE("Integer buffers take the maximum of the cohort, in their own type", "[aggregation]") {
  Cohort cohort;
  cohort.spec = Spec({{"n", DType::kI64, {2}, TensorKind::kBuffer},
                      {"i", DType::kI32, {1}, TensorKind::kBuffer},
                      {"u", DType::kU8, {1}, TensorKind::kBuffer}});
  cohort.base = BytesOf<int64_t>({100, 100}) + BytesOf<int32_t>({9}) + BytesOf<uint8_t>({9});
  cohort.deltas = {BytesOf<int64_t>({5, -8, -70000, 200}), BytesOf<int64_t>({3, -7, -80000, 255})};
  cohort.weights = {1, 1'000};
  CHECK(*Merge(cohort) ==
        BytesOf<int64_t>({5, -7}) + BytesOf<int32_t>({-70000}) + BytesOf<uint8_t>({255}));
}

TEST_CASE("A merge of weights that are not finite names the tensor", "[aggregation]") {
  Cohort cohort;
  cohort.spec = Spec({{"fine", DType::kF32, {1}, TensorKind::kParameter},
                      {"broken", DType::kF32, {1}, TensorKind::kParameter}});
  cohort.base = BytesOf<float>({1, std::numeric_limits<float>::quiet_NaN()});
  cohort.deltas = {BytesOf<int32_t>({0, 0})};
  cohort.weights = {1};
  const auto result = Merge(cohort);
  CHECK(ReasonOf(result.status()) == v1::ERROR_REASON_DELTA_NOT_FINITE);
  CHECK(MetadataOf(result.status())["tensor"] == "broken");
}

TEST_CASE("The largest finite weights stay finite under the largest delta", "[aggregation]") {
  Cohort cohort;
  cohort.spec = Spec({{"p", DType::kF32, {2}, TensorKind::kParameter},
                      {"b", DType::kF32, {2}, TensorKind::kBuffer}});
  constexpr float kMax = std::numeric_limits<float>::max();
  cohort.base = BytesOf<float>({kMax, -kMax, kMax, -kMax});
  cohort.deltas = {BytesOf<int32_t>({INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN})};
  cohort.weights = {1};
  CHECK(*Merge(cohort) == cohort.base);
}

TEST_CASE("Sums that could wrap are refused", "[aggregation]") {
  Cohort cohort;
  cohort.spec = Spec({{"p", DType::kF32, {1}, TensorKind::kParameter}});
  cohort.base = BytesOf<float>({0});
  cohort.deltas = {BytesOf<int32_t>({1}), BytesOf<int32_t>({1})};
  cohort.weights = {int64_t{1} << 32, 1};
  CHECK(ReasonOf(Merge(cohort).status()) == v1::ERROR_REASON_OVERFLOW_POSSIBLE);
  cohort.weights = {INT64_MAX, INT64_MAX};
  CHECK(ReasonOf(Merge(cohort).status()) == v1::ERROR_REASON_OVERFLOW_POSSIBLE);
}

TEST_CASE("A merge stops where it is told to", "[aggregation]") {
  int asked = 0;
  const auto stopped = Merge(RandomCohort(2), 50, [&] {
    return ++asked < 4 ? absl::OkStatus() : absl::CancelledError("lease lost");
  });
  CHECK(absl::IsCancelled(stopped.status()));
  CHECK(asked == 4);
}

}  // namespace
}  // namespace federity::aggregation
