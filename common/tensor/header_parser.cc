#include "common/tensor/header_parser.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

// header   = '{"__metadata__":{"federity.buffers":"' buffers '","federity.encoding":"' plain
//            '","format":"pt"}' *( ',' tensor ) '}' *SP
// buffers  = '[' [ name *( ',' name ) ] ']'     name = '\"' plain '\"'
// tensor   = '"' plain '":{"dtype":"' plain '","shape":' numbers ',"data_offsets":' numbers '}'
// numbers  = '[' [ number *( ',' number ) ] ']'
// plain    = 1*256( %x20-7E without '"' and '\' )

namespace federity::tensor {
namespace {

constexpr size_t kMaxPlain = 256;
constexpr size_t kMaxDigits = 12;  // of kMaxElements · 8

absl::Status Malformed(std::string_view what, std::string_view tensor = "") {
  ErrorMetadata metadata;
  if (!tensor.empty()) metadata["tensor"] = std::string(tensor);
  return Error(v1::ERROR_REASON_WEIGHTS_INVALID,
               tensor.empty() ? StrCat("the header is not canonical: ", what)
                              : StrCat("tensor ", tensor, ": ", what),
               std::move(metadata));
}

std::optional<DType> DTypeFromName(std::string_view name) {
  for (const DType dtype :
       {DType::kF32, DType::kF64, DType::kI32, DType::kI64, DType::kU8, DType::kBool})
    if (DTypeName(dtype) == name) return dtype;
  return std::nullopt;
}

// A position in the text. Every method either consumes what it names or leaves
// the position alone and says no.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool Take(std::string_view literal) {
    if (text_.substr(0, literal.size()) != literal) return false;
    text_.remove_prefix(literal.size());
    return true;
  }

  // Printable ASCII up to a quote or backslash.
  std::optional<std::string_view> Plain() {
    size_t size = 0;
    while (size < text_.size() && size <= kMaxPlain && text_[size] >= ' ' && text_[size] <= '~' &&
           text_[size] != '"' && text_[size] != '\\')
      ++size;
    if (size == 0 || size > kMaxPlain) return std::nullopt;
    const std::string_view plain = text_.substr(0, size);
    text_.remove_prefix(size);
    return plain;
  }

  // A decimal number without leading zeros.
  std::optional<int64_t> Number() {
    int64_t value = 0;
    size_t size = 0;
    for (; size < text_.size() && text_[size] >= '0' && text_[size] <= '9'; ++size) {
      if (size == kMaxDigits || (size == 1 && value == 0)) return std::nullopt;
      value = value * 10 + (text_[size] - '0');
    }
    if (size == 0) return std::nullopt;
    text_.remove_prefix(size);
    return value;
  }

  bool OnlySpacesLeft() const { return text_.find_first_not_of(' ') == std::string_view::npos; }

 private:
  std::string_view text_;
};

std::optional<std::vector<int64_t>> ParseNumbers(Cursor& cursor, size_t limit) {
  std::vector<int64_t> numbers;
  if (!cursor.Take("[")) return std::nullopt;
  if (cursor.Take("]")) return numbers;
  do {
    const auto number = cursor.Number();
    if (!number || numbers.size() == limit) return std::nullopt;
    numbers.push_back(*number);
  } while (cursor.Take(","));
  if (!cursor.Take("]")) return std::nullopt;
  return numbers;
}

std::optional<std::vector<std::string_view>> ParseBuffers(Cursor& cursor) {
  std::vector<std::string_view> names;
  if (!cursor.Take("[")) return std::nullopt;
  if (cursor.Take("]")) return names;
  do {
    if (!cursor.Take("\\\"")) return std::nullopt;
    const auto name = cursor.Plain();
    if (!name || !cursor.Take("\\\"") || names.size() == kMaxTensors) return std::nullopt;
    names.push_back(*name);
  } while (cursor.Take(","));
  if (!cursor.Take("]")) return std::nullopt;
  return names;
}

absl::StatusOr<TensorInfo> ParseTensor(Cursor& cursor) {
  TensorInfo tensor;
  if (!cursor.Take("\"")) return Malformed("expected a tensor's name");
  const auto name = cursor.Plain();
  if (!name || !cursor.Take("\":{\"dtype\":\""))
    return Malformed(
        "a tensor's name must be printable ASCII, without \" and \\, and dtype follow");
  tensor.name = std::string(*name);
  const auto dtype_name = cursor.Plain();
  const auto dtype = DTypeFromName(dtype_name.value_or(""));
  if (!dtype)
    return Malformed(StrCat("dtype ", dtype_name.value_or("(none)"),
                            " is not supported; F32, F64, I32, I64, U8 and BOOL are"),
                     *name);
  tensor.dtype = *dtype;
  auto shape = cursor.Take("\",\"shape\":")
                   ? ParseNumbers(cursor, static_cast<size_t>(kMaxDimensions))
                   : std::nullopt;
  if (!shape) return Malformed("shape is not a list of at most 16 whole numbers", *name);
  tensor.shape = *std::move(shape);
  const auto offsets = cursor.Take(",\"data_offsets\":") ? ParseNumbers(cursor, 2) : std::nullopt;
  if (!offsets || offsets->size() != 2 || !cursor.Take("}"))
    return Malformed("data_offsets is not a pair of whole numbers", *name);
  tensor.offset = (*offsets)[0];
  return tensor;
}

}  // namespace

absl::StatusOr<TensorSpec> ParseHeaderText(std::string_view json) {
  Cursor cursor(json);
  if (!cursor.Take("{\"__metadata__\":{\"federity.buffers\":\""))
    return Malformed("it does not start with the metadata that Federity writes");
  const auto buffers = ParseBuffers(cursor);
  if (!buffers) return Malformed("federity.buffers is not a list of names");
  if (!cursor.Take("\",\"federity.encoding\":\"")) return Malformed("no federity.encoding");
  const auto encoding = cursor.Plain();
  if (!encoding || !cursor.Take("\",\"format\":\"pt\"}"))
    return Malformed("metadata is incomplete");

  TensorSpec spec;
  spec.encoding = std::string(*encoding);
  size_t next_buffer = 0;  // buffers are listed in the order of the tensors
  while (cursor.Take(",")) {
    if (static_cast<int64_t>(spec.tensors.size()) == kMaxTensors)
      return Malformed(StrCat("it has more than ", kMaxTensors, " tensors"));
    FEDERITY_ASSIGN_OR_RETURN(TensorInfo tensor, ParseTensor(cursor));
    if (next_buffer < buffers->size() && (*buffers)[next_buffer] == tensor.name) {
      tensor.kind = TensorKind::kBuffer;
      ++next_buffer;
    }
    spec.tensors.push_back(std::move(tensor));
  }
  if (!cursor.Take("}") || !cursor.OnlySpacesLeft())
    return Malformed("something else follows the tensors");
  if (next_buffer != buffers->size())
    return Malformed("federity.buffers names it, but there is no such tensor at its place",
                     (*buffers)[next_buffer]);
  return spec;
}

}  // namespace federity::tensor
