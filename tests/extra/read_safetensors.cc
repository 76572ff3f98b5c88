// read_safetensors FILE: what Federity's own reader makes of a file's header, a
// line a tensor: name, dtype, first byte, last byte + 1, shape.
#include <iostream>

#include "absl/strings/str_join.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/tensor/safetensors.h"

namespace {

absl::Status Print(const char* path) {
  FEDERITY_ASSIGN_OR_RETURN(const std::string file, federity::ReadFile(path, 1 << 30));
  FEDERITY_ASSIGN_OR_RETURN(const int64_t header, federity::tensor::HeaderLength(file.substr(0, 8)));
  FEDERITY_ASSIGN_OR_RETURN(
      const federity::tensor::TensorSpec spec,
      federity::tensor::DecodeHeader(file.substr(0, static_cast<size_t>(header))));
  if (header + spec.data_bytes() != static_cast<int64_t>(file.size()))
    return absl::InvalidArgumentError("the file is longer or shorter than its tensors");
  for (const federity::tensor::TensorInfo& tensor : spec.tensors)
    std::cout << tensor.name << ' ' << federity::tensor::DTypeName(tensor.dtype) << ' '
              << tensor.offset << ' ' << tensor.offset + tensor.bytes() << " ["
              << absl::StrJoin(tensor.shape, ", ") << "]\n";
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const absl::Status status = Print(argv[1]);
  if (!status.ok()) std::cerr << status.message() << '\n';
  return status.ok() ? 0 : 1;
}
