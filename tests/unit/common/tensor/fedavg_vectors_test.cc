// The vectors of tests/golden/tensor, which a Python script makes with exact
// fractions: encode, weigh, sum and merge must give the same bits.
#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/crypto/digest.h"
#include "common/tensor/plain_delta.h"

namespace federity::tensor {
namespace {

using Json = nlohmann::json;

std::vector<float> FloatsFromBits(const Json& list) {
  std::vector<float> values;
  for (const std::string bits : list)
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(std::stoul(bits, nullptr, 16))));
  return values;
}

template <typename T>
std::string DigestOf(const std::vector<T>& values) {
  return crypto::Sha256({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)})
      .Hex();
}

// The generator of Steele, Lea and Flood (2014), as in the script.
uint64_t SplitMix64(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::vector<float> Generated(uint64_t seed, size_t count, int shift) {
  std::vector<float> values(count);
  for (float& value : values)
    value = static_cast<float>(std::ldexp(
        static_cast<double>(static_cast<int64_t>(SplitMix64(seed) >> 40) - (1 << 23)), -shift));
  return values;
}

struct Case {
  TensorInfo tensor;
  int64_t max_examples = 0;
  std::vector<float> base;
  std::vector<int64_t> examples;
  std::vector<std::vector<int32_t>> q;
};

std::vector<int32_t> Encode(const Case& c, const std::vector<float>& updated) {
  std::vector<int32_t> q(updated.size());
  REQUIRE(EncodePlain(c.tensor, c.base, updated, q).ok());
  return q;
}

Case Read(const Json& vector) {
  Case c;
  c.tensor.name = vector["name"];
  c.tensor.kind = vector["kind"] == "buffer" ? TensorKind::kBuffer : TensorKind::kParameter;
  c.max_examples = vector["max_examples"];
  if (vector.contains("base")) {
    c.base = FloatsFromBits(vector["base"]);
    for (const Json& contribution : vector["contributions"]) {
      c.examples.push_back(contribution["examples"]);
      c.q.push_back(Encode(c, FloatsFromBits(contribution["updated"])));
      CHECK(c.q.back() == contribution["q"].get<std::vector<int32_t>>());
    }
    return c;
  }
  const size_t count = vector["count"];
  c.base = Generated(1000, count, 23);
  c.examples = vector["examples"].get<std::vector<int64_t>>();
  for (size_t i = 0; i < c.examples.size(); ++i) {
    std::vector<float> updated = Generated(2000 + i, count, 26);
    for (size_t k = 0; k < count; ++k)
      updated[k] = static_cast<float>(double{c.base[k]} + double{updated[k]});
    c.q.push_back(Encode(c, updated));
    CHECK(DigestOf(c.q.back()) == vector["q_sha256"][i]);
  }
  return c;
}

TEST_CASE("Federated averaging gives the golden vectors", "[tensor][golden]") {
  std::ifstream file(FEDERITY_GOLDEN_DIR "/tensor/fedavg_vectors.json");
  REQUIRE(file.is_open());
  const Json document = Json::parse(file);
  REQUIRE(document["vectors"].size() >= 10);
  for (const Json& vector : document["vectors"]) {
    INFO(vector["name"].get<std::string>());
    const Case c = Read(vector);
    std::vector<int64_t> acc(c.base.size(), 0);
    int64_t total = 0;
    for (size_t i = 0; i < c.q.size(); ++i) {
      const int64_t weight = std::min(c.examples[i], c.max_examples);
      AccumulatePlain(weight, c.q[i], acc);
      total += weight;
    }
    REQUIRE(CheckNoOverflow(total).ok());
    std::vector<float> merged(c.base.size());
    REQUIRE(MergePlain(c.tensor, c.base, acc, total, merged).ok());
    CHECK(DigestOf(merged) == vector["merged_sha256"]);
    if (vector.contains("merged")) {
      std::vector<uint32_t> bits;
      for (const float value : merged) bits.push_back(std::bit_cast<uint32_t>(value));
      std::vector<uint32_t> expected;
      for (const float value : FloatsFromBits(vector["merged"]))
        expected.push_back(std::bit_cast<uint32_t>(value));
      CHECK(bits == expected);
    }
  }
}

}  // namespace
}  // namespace federity::tensor
