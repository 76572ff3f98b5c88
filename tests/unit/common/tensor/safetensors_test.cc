#include "common/tensor/safetensors.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "common/base/errors.h"
#include "common/base/strings.h"

namespace federity::tensor {
namespace {

TensorInfo Tensor(std::string name, DType dtype, std::vector<int64_t> shape,
                  TensorKind kind = TensorKind::kParameter) {
  return {.name = std::move(name), .dtype = dtype, .shape = std::move(shape), .kind = kind};
}

TensorSpec Example() {
  auto spec =
      MakeTensorSpec(kWeightsEncoding,
                     {Tensor("fc.weight", DType::kF32, {2, 3}), Tensor("fc.bias", DType::kF32, {2}),
                      Tensor("bn.running_mean", DType::kF32, {2}, TensorKind::kBuffer),
                      Tensor("bn.num_batches_tracked", DType::kI64, {}, TensorKind::kBuffer)});
  REQUIRE(spec.ok());
  return *spec;
}

// A prefix around any header text, padded as it should be.
std::string Prefix(std::string json, bool pad = true) {
  while (pad && json.size() % 8 != 0) json += ' ';
  std::string prefix(8, '\0');
  for (int i = 0; i < 8; ++i) prefix[i] = static_cast<char>((json.size() >> (8 * i)) & 0xff);
  return prefix + json;
}

constexpr char kGolden[] =
    R"({"__metadata__":{"federity.buffers":"[\"bn.running_mean\",\"bn.num_batches_tracked\"]",)"
    R"("federity.encoding":"weights-1","format":"pt"},)"
    R"("fc.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
    R"("fc.bias":{"dtype":"F32","shape":[2],"data_offsets":[24,32]},)"
    R"("bn.running_mean":{"dtype":"F32","shape":[2],"data_offsets":[32,40]},)"
    R"("bn.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[40,48]}})";

TEST_CASE("Offsets follow from types and shapes", "[tensor]") {
  const TensorSpec spec = Example();
  CHECK(spec.tensors[0].offset == 0);
  CHECK(spec.tensors[1].offset == 24);
  CHECK(spec.tensors[2].offset == 32);
  CHECK(spec.tensors[3].offset == 40);
  CHECK(spec.tensors[3].elements() == 1);
  CHECK(spec.data_bytes() == 48);
  CHECK(spec.elements() == 11);
}

TEST_CASE("The header is golden, and JSON that others read", "[tensor]") {
  const std::string prefix = EncodeHeader(Example());
  CHECK(prefix == Prefix(kGolden));
  CHECK(prefix.size() % 8 == 0);
  CHECK(*HeaderLength(prefix.substr(0, 8)) == static_cast<int64_t>(prefix.size()));
  const auto json = nlohmann::json::parse(prefix.substr(8));
  CHECK(json["__metadata__"]["format"] == "pt");
  CHECK(nlohmann::json::parse(json["__metadata__"]["federity.buffers"].get<std::string>()) ==
        nlohmann::json({"bn.running_mean", "bn.num_batches_tracked"}));
  CHECK(json["fc.weight"]["shape"] == nlohmann::json({2, 3}));
}

TEST_CASE("Decoding is the inverse", "[tensor]") {
  const auto empty = MakeTensorSpec(kPlainDeltaEncoding, {});
  const auto all = MakeTensorSpec(
      "x", {Tensor("a", DType::kF64, {0, 5}), Tensor("b c", DType::kU8, {3}, TensorKind::kBuffer),
            Tensor("{}[],:", DType::kBool, {1, 1, 1}), Tensor("d", DType::kI32, {7})});
  REQUIRE(empty.ok());
  REQUIRE(all.ok());
  for (const TensorSpec& spec : {Example(), *empty, *all}) {
    const auto decoded = DecodeHeader(EncodeHeader(spec));
    INFO(decoded.status().message());
    REQUIRE(decoded.ok());
    CHECK(*decoded == spec);
  }
}

TEST_CASE("Specs beyond a limit are refused", "[tensor]") {
  const auto refused = [](std::vector<TensorInfo> tensors, std::string_view encoding = "x") {
    const auto spec = MakeTensorSpec(encoding, std::move(tensors));
    return ReasonOf(spec.status()) == v1::ERROR_REASON_WEIGHTS_INVALID;
  };
  const auto named = [](std::string name) { return Tensor(std::move(name), DType::kF32, {1}); };
  CHECK(refused({named("")}));
  CHECK(refused({named("a\"b")}));
  CHECK(refused({named("a\\b")}));
  CHECK(refused({named("a\nb")}));
  CHECK(refused({named("ä")}));
  CHECK(refused({named("__metadata__")}));
  CHECK(refused({named(std::string(257, 'a'))}));
  CHECK_FALSE(refused({named(std::string(256, 'a'))}));
  CHECK(refused({named("a"), named("b"), named("a")}));
  CHECK(refused({}, ""));
  CHECK(refused({}, "a\"b"));
  const auto shaped = [](std::vector<int64_t> shape) {
    return Tensor("a", DType::kF32, std::move(shape));
  };
  CHECK(refused({shaped({-1})}));
  CHECK(refused({shaped({kMaxElements + 1})}));
  CHECK_FALSE(refused({shaped({kMaxElements})}));
  CHECK(refused({shaped({kMaxElements, 2})}));
  CHECK(refused({shaped({kMaxElements, kMaxElements, 0})}));
  CHECK(refused({shaped(std::vector<int64_t>(17, 1))}));
  CHECK_FALSE(refused({shaped(std::vector<int64_t>(16, 1))}));
  CHECK(refused({shaped({kMaxElements}), named("b")}));
  std::vector<TensorInfo> many;
  for (int i = 0; i < 100'001; ++i) many.push_back(named(StrCat("t", i)));
  CHECK(refused(many));
  many.pop_back();
  CHECK_FALSE(refused(many));
  for (TensorInfo& tensor : many) tensor.name.resize(256, 'x');
  CHECK(refused(many));  // a header beyond 16 MiB
}

TEST_CASE("Header lengths beyond the limit are refused before anything is read", "[tensor]") {
  const auto length = [](uint64_t value) {
    std::string bytes(8, '\0');
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (8 * i) & 0xff);
    return HeaderLength(bytes);
  };
  CHECK(*length(8) == 16);
  CHECK(*length(16 << 20) == (16 << 20) + 8);
  for (const uint64_t bad : {uint64_t{0}, uint64_t{7}, uint64_t{(16 << 20) + 8}, uint64_t{1} << 63,
                             ~uint64_t{0}, ~uint64_t{7}})
    CHECK(ReasonOf(length(bad).status()) == v1::ERROR_REASON_WEIGHTS_INVALID);
  CHECK_FALSE(HeaderLength("").ok());
  CHECK_FALSE(HeaderLength("1234567").ok());
}

TEST_CASE("Whatever is not canonical is refused", "[tensor]") {
  REQUIRE(DecodeHeader(Prefix(kGolden)).ok());
  const auto refused_as = [](const std::string& from, const std::string& to) {
    std::string json = kGolden;
    const size_t at = json.find(from);
    REQUIRE(at != std::string::npos);
    json.replace(at, from.size(), to);
    const auto spec = DecodeHeader(Prefix(json));
    INFO(json);
    CHECK(ReasonOf(spec.status()) == v1::ERROR_REASON_WEIGHTS_INVALID);
    return MetadataOf(spec.status())["tensor"];
  };
  // Numbers.
  CHECK(refused_as("[2,3]", "[02,3]") == "fc.weight");
  CHECK(refused_as("[2,3]", "[2,3,]") == "fc.weight");
  CHECK(refused_as("[2,3]", "[2.0,3]") == "fc.weight");
  CHECK(refused_as("[2,3]", "[-2,3]") == "fc.weight");
  CHECK(refused_as("[2,3]", "[2 ,3]") == "fc.weight");
  CHECK(refused_as("[2,3]", "[2,3e0]") == "fc.weight");
  CHECK(refused_as("[2,3]", "[99999999999999999999,3]") == "fc.weight");
  CHECK(refused_as("[2,3]", "[68719476736,68719476736]") == "fc.weight");
  CHECK(refused_as("[2,3]", "[" + std::string(200, '[')) == "fc.weight");
  CHECK(refused_as("[2,3]", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2,3]") == "fc.weight");
  // Offsets: gaps, overlaps, order, length.
  refused_as("[2,3]", "[3,3]");
  CHECK(refused_as("[24,32]", "[28,36]") == "fc.bias");
  CHECK(refused_as("[24,32]", "[0,8]") == "fc.bias");
  refused_as("[24,32]", "[24,33]");
  CHECK(refused_as("[24,32]", "[24]") == "fc.bias");
  CHECK(refused_as("[24,32]", "[24,32,40]") == "fc.bias");
  // Types and names.
  CHECK(refused_as("\"F32\",\"shape\":[2,3]", "\"F16\",\"shape\":[2,3]") == "fc.weight");
  refused_as("\"F32\"", "\"I32");
  refused_as("fc.weight", "fc\\u002eweight");
  refused_as("fc.weight", "");
  refused_as("fc.weight", "fc.bias");
  refused_as("fc.weight", std::string(257, 'a'));
  refused_as("fc.bias\":{", "fc.bias\":{\"x\":1,");
  // Order and spelling of the metadata.
  refused_as("\"format\":\"pt\"", "\"format\":\"np\"");
  refused_as("\"federity.encoding\"", "\"federity.encodings\"");
  refused_as("weights-1", "");
  refused_as("__metadata__", "metadata");
  CHECK(refused_as("[\\\"bn.running_mean\\\"", "[\\\"bn.other\\\"") == "bn.other");
  CHECK(refused_as(R"(\"bn.running_mean\",\"bn.num_batches_tracked\")",
                   R"(\"bn.num_batches_tracked\",\"bn.running_mean\")") == "bn.running_mean");
  refused_as("\\\"]\"", "\\\",\\\"bn.running_mean\\\"]\"");
  // Space.
  refused_as(",\"fc.bias\"", ", \"fc.bias\"");
  refused_as("{\"__metadata__\"", " {\"__metadata__\"");
  refused_as("}}", "}}x");
  refused_as("}}", "}");
  refused_as("}}", "}}        ");  // more padding than needed
  CHECK_FALSE(DecodeHeader(Prefix(kGolden, false)).ok());
  CHECK_FALSE(DecodeHeader(Prefix(kGolden) + "        ").ok());
}

TEST_CASE("No bytes crash the decoder", "[tensor]") {
  const std::string good = EncodeHeader(Example());
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK_FALSE(DecodeHeader(good.substr(0, size)).ok());
    // The same text with a length that fits it; without padding it is whole.
    if (size >= 8 && good[size] != ' ')
      CHECK_FALSE(DecodeHeader(Prefix(good.substr(8, size - 8))).ok());
  }
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = good;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      const auto spec = DecodeHeader(changed);
      // Flips within a name or the encoding give another header that is good;
      // whatever is taken has this one spelling.
      if (spec.ok()) CHECK(EncodeHeader(*spec) == changed);
    }
  }
}

}  // namespace
}  // namespace federity::tensor
