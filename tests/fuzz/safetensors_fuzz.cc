#include "common/tensor/plain_delta.h"
#include "common/tensor/safetensors.h"
#include "tests/fuzz/fuzz_target.h"

namespace federity::tensor {
namespace {

void CheckHeader(std::string_view prefix) {
  const auto spec = DecodeHeader(prefix);
  if (!spec.ok()) return;
  FUZZ_CHECK(EncodeHeader(*spec) == prefix);
  FUZZ_CHECK(spec->data_bytes() >= 0);
  FUZZ_CHECK(spec->elements() >= 0 && spec->elements() <= kMaxElements);
  if (const auto delta = PlainDeltaSpec(*spec); delta.ok()) {
    const auto again = DecodeHeader(EncodeHeader(*delta));
    FUZZ_CHECK(again.ok() && *again == *delta);
  }
}

// The length and padding that this JSON needs.
std::string WithLength(std::string_view json) {
  std::string text = std::string(8, '\0').append(json);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  for (uint64_t i = 0, length = text.size() - 8; i < 8; ++i, length >>= 8)
    text[i] = static_cast<char>(length & 0xff);
  return text;
}

}  // namespace

FUZZ_TARGET(safetensors) {
  CheckHeader(input);
  if (input.size() > 8) CheckHeader(WithLength(input.substr(8)));
}

}  // namespace federity::tensor
