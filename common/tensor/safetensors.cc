#include "common/tensor/safetensors.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/tensor/header_parser.h"

namespace federity::tensor {
namespace {

constexpr size_t kPrefixBytes = 8;
constexpr size_t kAlignment = 8;  // of the data, so that it can be mapped
constexpr size_t kMaxNameBytes = 256;
constexpr std::string_view kMetadataKey = "__metadata__";

bool IsPlain(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

absl::Status Refuse(const TensorInfo& tensor, std::string_view why) {
  return Error(v1::ERROR_REASON_WEIGHTS_INVALID, StrCat("tensor ", tensor.name, ": ", why),
               {{"tensor", tensor.name}});
}

// Checks that the product of the sizes is small, also where one of them is 0.
absl::Status CheckShape(const TensorInfo& tensor) {
  if (tensor.shape.size() > static_cast<size_t>(kMaxDimensions))
    return Refuse(tensor, StrCat("more than ", kMaxDimensions, " dimensions"));
  int64_t product = 1;
  for (const int64_t size : tensor.shape) {
    if (size < 0 || size > kMaxElements || product > kMaxElements / std::max<int64_t>(size, 1))
      return Refuse(tensor, "the shape is negative or beyond 2^36 elements");
    product *= std::max<int64_t>(size, 1);
  }
  return absl::OkStatus();
}

std::string Numbers(const std::vector<int64_t>& numbers) {
  std::string text;
  for (const int64_t number : numbers) text += StrCat(text.empty() ? "" : ",", number);
  return text;
}

}  // namespace

int64_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kU8:
    case DType::kBool:
      return 1;
  }
  return 1;
}

std::string_view DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "F32";
    case DType::kF64:
      return "F64";
    case DType::kI32:
      return "I32";
    case DType::kI64:
      return "I64";
    case DType::kU8:
      return "U8";
    case DType::kBool:
      return "BOOL";
  }
  return "?";
}

bool IsFloating(DType dtype) { return dtype == DType::kF32 || dtype == DType::kF64; }

int64_t TensorInfo::elements() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

int64_t TensorSpec::data_bytes() const {
  return tensors.empty() ? 0 : tensors.back().offset + tensors.back().bytes();
}

int64_t TensorSpec::elements() const {
  int64_t sum = 0;
  for (const TensorInfo& tensor : tensors) sum += tensor.elements();
  return sum;
}

absl::StatusOr<TensorSpec> MakeTensorSpec(std::string_view encoding,
                                          std::vector<TensorInfo> tensors) {
  const auto refuse = [](std::string_view why) {
    return Error(v1::ERROR_REASON_WEIGHTS_INVALID, why);
  };
  if (!IsPlain(encoding)) return refuse("the encoding's name is not printable ASCII");
  if (static_cast<int64_t>(tensors.size()) > kMaxTensors)
    return refuse(StrCat(tensors.size(), " tensors; at most ", kMaxTensors, " are allowed"));
  std::unordered_set<std::string_view> names;
  int64_t offset = 0;
  int64_t elements = 0;
  for (TensorInfo& tensor : tensors) {
    if (!IsPlain(tensor.name) || tensor.name == kMetadataKey)
      return refuse(StrCat("\"", tensor.name.substr(0, kMaxNameBytes),
                           "\" can't be a tensor's name: 1 to 256 bytes of printable ASCII ",
                           "without \" and \\"));
    if (!names.insert(tensor.name).second) return Refuse(tensor, "the name stands there twice");
    FEDERITY_RETURN_IF_ERROR(CheckShape(tensor));
    elements += tensor.elements();
    if (elements > kMaxElements) return Refuse(tensor, "the file would exceed 2^36 elements");
    tensor.offset = offset;
    offset += tensor.bytes();
  }
  TensorSpec spec{std::string(encoding), std::move(tensors)};
  if (static_cast<int64_t>(EncodeHeader(spec).size() - kPrefixBytes) > kMaxHeaderBytes)
    return refuse(StrCat("the names need a header of more than ", kMaxHeaderBytes, " bytes"));
  return spec;
}

std::string EncodeHeader(const TensorSpec& spec) {
  std::string buffers;
  for (const TensorInfo& tensor : spec.tensors)
    if (tensor.kind == TensorKind::kBuffer)
      buffers += StrCat(buffers.empty() ? "" : ",", "\\\"", tensor.name, "\\\"");
  std::string text(kPrefixBytes, '\0');
  text += StrCat("{\"", kMetadataKey, "\":{\"federity.buffers\":\"[", buffers,
                 "]\",\"federity.encoding\":\"", spec.encoding, "\",\"format\":\"pt\"}");
  for (const TensorInfo& tensor : spec.tensors)
    text += StrCat(",\"", tensor.name, "\":{\"dtype\":\"", DTypeName(tensor.dtype),
                   "\",\"shape\":[", Numbers(tensor.shape), "],\"data_offsets\":[", tensor.offset,
                   ",", tensor.offset + tensor.bytes(), "]}");
  text += "}";
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  uint64_t length = text.size() - kPrefixBytes;
  for (size_t i = 0; i < kPrefixBytes; ++i, length >>= 8)
    text[i] = static_cast<char>(length & 0xff);
  return text;
}

absl::StatusOr<int64_t> HeaderLength(std::string_view first_8_bytes) {
  uint64_t length = 0;
  for (size_t i = std::min(first_8_bytes.size(), kPrefixBytes); i-- > 0;)
    length = length << 8 | static_cast<unsigned char>(first_8_bytes[i]);
  if (first_8_bytes.size() < kPrefixBytes || length == 0 || length % kAlignment != 0 ||
      length > static_cast<uint64_t>(kMaxHeaderBytes))
    return Error(v1::ERROR_REASON_WEIGHTS_INVALID,
                 StrCat("this is not a safetensors file that Federity writes: a header of ", length,
                        " bytes"));
  return static_cast<int64_t>(kPrefixBytes + length);
}

absl::StatusOr<TensorSpec> DecodeHeader(std::string_view prefix) {
  FEDERITY_ASSIGN_OR_RETURN(const int64_t length, HeaderLength(prefix));
  if (length != static_cast<int64_t>(prefix.size()))
    return Error(v1::ERROR_REASON_WEIGHTS_INVALID,
                 StrCat("the header should have ", length, " bytes but has ", prefix.size()));
  FEDERITY_ASSIGN_OR_RETURN(TensorSpec parsed, ParseHeaderText(prefix.substr(kPrefixBytes)));
  FEDERITY_ASSIGN_OR_RETURN(TensorSpec spec, MakeTensorSpec(parsed.encoding, parsed.tensors));
  for (size_t i = 0; i < spec.tensors.size(); ++i)
    if (parsed.tensors[i].offset != spec.tensors[i].offset)
      return Refuse(spec.tensors[i],
                    StrCat("its data starts at ", parsed.tensors[i].offset, ", not at ",
                           spec.tensors[i].offset, " where the one before ends"));
  // One content, one spelling: whatever the grammar let through (ends of
  // tensors, padding) must come out the same.
  if (EncodeHeader(spec) != prefix)
    return Error(v1::ERROR_REASON_WEIGHTS_INVALID,
                 "the header is not canonical: data_offsets or padding are wrong");
  return spec;
}

}  // namespace federity::tensor
