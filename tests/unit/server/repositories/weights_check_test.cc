#include "server/repositories/weights_check.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "common/base/errors.h"

namespace federity::repositories {
namespace {

using tensor::DType;
using tensor::TensorInfo;
using tensor::TensorKind;

// A blob in memory.
class MemoryReader final : public blobs::BlobReader {
 public:
  explicit MemoryReader(std::string content) : content_(std::move(content)) {}
  int64_t size_bytes() const override { return static_cast<int64_t>(content_.size()); }
  absl::Status Read(int64_t offset, std::span<char> out) override {
    if (offset < 0 || offset + static_cast<int64_t>(out.size()) > size_bytes()) {
      return absl::OutOfRangeError("beyond the end");
    }
    std::memcpy(out.data(), content_.data() + offset, out.size());
    return absl::OkStatus();
  }

 private:
  const std::string content_;
};

tensor::TensorSpec Spec(std::vector<TensorInfo> tensors) {
  auto spec = tensor::MakeTensorSpec(tensor::kWeightsEncoding, std::move(tensors));
  REQUIRE(spec.ok());
  return *std::move(spec);
}

std::string File(const tensor::TensorSpec& spec) {
  return tensor::EncodeHeader(spec) + std::string(static_cast<size_t>(spec.data_bytes()), '\0');
}

TensorInfo F32(std::string name, std::vector<int64_t> shape) {
  return {.name = std::move(name), .dtype = DType::kF32, .shape = std::move(shape)};
}

void PutFloat(std::string& file, const tensor::TensorSpec& spec, size_t tensor, int64_t element,
              float value) {
  const size_t header = file.size() - static_cast<size_t>(spec.data_bytes());
  std::memcpy(file.data() + header + spec.tensors[tensor].offset + element * 4, &value, 4);
}

bool IsInvalid(const absl::Status& status) {
  return ReasonOf(status) == v1::ERROR_REASON_WEIGHTS_INVALID;
}

}  // namespace

const auto kGoOn = [] { return false; };

TEST_CASE("Weights that are well formed pass", "[repositories]") {
  const tensor::TensorSpec spec =
      Spec({F32("w", {3, 2}),
            {.name = "n", .dtype = DType::kI64, .shape = {}, .kind = TensorKind::kBuffer}});
  MemoryReader reader(File(spec));
  auto read = ReadWeightsSpec(reader);
  REQUIRE(read.ok());
  CHECK(*read == spec);
  CHECK(CheckWeightsFinite(reader, *read, kGoOn).ok());
}

TEST_CASE("A check that nobody waits for ends between blocks", "[repositories]") {
  const tensor::TensorSpec spec = Spec({F32("big", {600000})});
  MemoryReader reader(File(spec));
  int asked = 0;
  CHECK(absl::IsCancelled(CheckWeightsFinite(reader, spec, [&] { return ++asked == 2; })));
  CHECK(asked == 2);
}

TEST_CASE("A value that is not finite is named", "[repositories]") {
  const float value =
      GENERATE(std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
               std::numeric_limits<float>::quiet_NaN());
  // The second tensor spans blocks; its first and last values and those beside a
  // block's border.
  const int64_t element = GENERATE(int64_t{0}, 262143, 262144, 599999);
  const tensor::TensorSpec spec = Spec({F32("a", {5}), F32("big", {600000})});
  std::string file = File(spec);
  PutFloat(file, spec, 1, element, value);
  MemoryReader reader(std::move(file));
  const absl::Status status = CheckWeightsFinite(reader, spec, kGoOn);
  CHECK(IsInvalid(status));
  CHECK(MetadataOf(status)["tensor"] == "big");
  CHECK(std::string(status.message()).find("Element " + std::to_string(element)) !=
        std::string::npos);
}

TEST_CASE("The largest floats are finite", "[repositories]") {
  const tensor::TensorSpec spec = Spec({F32("a", {2})});
  std::string file = File(spec);
  PutFloat(file, spec, 0, 0, std::numeric_limits<float>::max());
  PutFloat(file, spec, 0, 1, std::numeric_limits<float>::denorm_min());
  MemoryReader reader(std::move(file));
  CHECK(CheckWeightsFinite(reader, spec, kGoOn).ok());
}

TEST_CASE("Headers that lie are refused", "[repositories]") {
  const tensor::TensorSpec spec = Spec({F32("a", {4})});
  const std::string good = File(spec);
  SECTION("empty and short") {
    for (size_t size : {size_t{0}, size_t{7}, size_t{8}, size_t{20}}) {
      MemoryReader reader(good.substr(0, size));
      CHECK(IsInvalid(ReadWeightsSpec(reader).status()));
    }
  }
  SECTION("a header of 2 GB, and one of 2^63") {
    for (uint64_t length : {uint64_t{2} << 30, uint64_t{1} << 63, ~uint64_t{0}}) {
      std::string file = good;
      std::memcpy(file.data(), &length, 8);
      MemoryReader reader(std::move(file));
      CHECK(!ReadWeightsSpec(reader).ok());
    }
  }
  SECTION("data missing or left over") {
    MemoryReader shorter(good.substr(0, good.size() - 1));
    CHECK(IsInvalid(ReadWeightsSpec(shorter).status()));
    MemoryReader longer(good + "x");
    CHECK(IsInvalid(ReadWeightsSpec(longer).status()));
  }
  SECTION("a delta is no weights") {
    auto delta = tensor::MakeTensorSpec(tensor::kPlainDeltaEncoding,
                                        {{.name = "a", .dtype = DType::kI32, .shape = {4}}});
    MemoryReader reader(File(*delta));
    CHECK(IsInvalid(ReadWeightsSpec(reader).status()));
  }
  SECTION("not JSON") {
    std::string file = good;
    file[9] = '\x01';
    MemoryReader reader(std::move(file));
    CHECK(!ReadWeightsSpec(reader).ok());
  }
  SECTION("doubles can't be trained yet") {
    const tensor::TensorSpec doubles = Spec({{.name = "d", .dtype = DType::kF64, .shape = {2}}});
    MemoryReader reader(File(doubles));
    CHECK(IsInvalid(ReadWeightsSpec(reader).status()));
  }
}

TEST_CASE("The first tensor that differs is named", "[repositories]") {
  const tensor::TensorSpec spec = Spec({F32("a", {2}), F32("b", {3})});
  CHECK(CheckSameTensors(spec, spec).ok());
  const auto mismatch = [&](const tensor::TensorSpec& other, const char* tensor) {
    const absl::Status status = CheckSameTensors(spec, other);
    CHECK(ReasonOf(status) == v1::ERROR_REASON_TENSORS_MISMATCH);
    CHECK(MetadataOf(status)["tensor"] == tensor);
  };
  mismatch(Spec({F32("a", {2}), F32("b", {4})}), "b");
  mismatch(Spec({F32("a", {2}), F32("c", {3})}), "c");
  mismatch(Spec({F32("a", {2})}), "b");
  mismatch(Spec({F32("a", {2}), F32("b", {3}), F32("x", {1})}), "x");
  mismatch(Spec({{.name = "a", .dtype = DType::kF32, .shape = {2}, .kind = TensorKind::kBuffer},
                 F32("b", {3})}),
           "a");
}

}  // namespace federity::repositories
