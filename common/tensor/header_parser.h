#ifndef FEDERITY_COMMON_TENSOR_HEADER_PARSER_H_
#define FEDERITY_COMMON_TENSOR_HEADER_PARSER_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "common/tensor/safetensors.h"

namespace federity::tensor {

// What a header's JSON says, each tensor with the offset that stands there.
// The grammar is the canonical one (docs/formats/safetensors.md), so there is
// no recursion and nothing grows beyond the text; limits on shapes and names
// are MakeTensorSpec's.
absl::StatusOr<TensorSpec> ParseHeaderText(std::string_view json);

}  // namespace federity::tensor

#endif  // FEDERITY_COMMON_TENSOR_HEADER_PARSER_H_
