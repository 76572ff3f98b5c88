#include "common/tensor/plain_delta.h"
#include "server/aggregation/delta_check.h"
#include "server/repositories/weights_check.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"

namespace federity::aggregation {
namespace {

using tensor::DType;
using tensor::TensorKind;

constexpr double kMaxNorm = 10.0;

tensor::TensorSpec Weights() {
  return *tensor::MakeTensorSpec(
      tensor::kWeightsEncoding,
      {{.name = "w", .dtype = DType::kF32, .shape = {2, 2}},
       {.name = "m", .dtype = DType::kF32, .shape = {1}, .kind = TensorKind::kBuffer},
       {.name = "u", .dtype = DType::kU8, .shape = {1}, .kind = TensorKind::kBuffer},
       {.name = "n", .dtype = DType::kI32, .shape = {}, .kind = TensorKind::kBuffer}});
}

void CheckUpdate(std::string_view bytes) {
  static const tensor::TensorSpec kWeights = Weights();
  static const tensor::TensorSpec kDelta = *tensor::PlainDeltaSpec(kWeights);
  fuzz::MemoryBlob blob(bytes);
  const auto facts = CheckDelta(blob, kWeights, kMaxNorm, [] { return absl::OkStatus(); });
  if (!facts.ok()) {
    FUZZ_CHECK(IsRefusal(facts.status()));  // never a fault of our own
    return;
  }
  FUZZ_CHECK(facts->norm >= 0 && facts->norm <= kMaxNorm);
  const auto header = ReadTensorHeader(blob);
  FUZZ_CHECK(header.ok() && header->spec == kDelta);
}

void CheckCommit(std::string_view bytes) {
  fuzz::MemoryBlob blob(bytes);
  const auto spec = repositories::ReadWeightsSpec(blob);
  if (!spec.ok()) return;
  FUZZ_CHECK(tensor::PlainDeltaSpec(*spec).ok());
  (void)repositories::CheckWeightsFinite(blob, *spec, [] { return false; });
}

}  // namespace

// A whole file, and the data of a file whose header is right.
FUZZ_TARGET(delta) {
  static const std::string kDeltaHeader = EncodeHeader(*tensor::PlainDeltaSpec(Weights()));
  static const std::string kWeightsHeader = EncodeHeader(Weights());
  CheckUpdate(input);
  CheckCommit(input);
  CheckUpdate(kDeltaHeader + std::string(input));
  CheckCommit(kWeightsHeader + std::string(input));
}

}  // namespace federity::aggregation
