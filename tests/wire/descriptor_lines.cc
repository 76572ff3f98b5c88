#include "tests/wire/descriptor_lines.h"

#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <regex>

#include "common/base/strings.h"

namespace federity::testing {
namespace {

namespace pb = google::protobuf;

std::string TypeOf(const pb::FieldDescriptor& field) {
  if (field.is_map()) {
    return StrCat("map<", TypeOf(*field.message_type()->map_key()), ", ",
                  TypeOf(*field.message_type()->map_value()), ">");
  }
  if (field.message_type() != nullptr) return field.message_type()->full_name();
  if (field.enum_type() != nullptr) return field.enum_type()->full_name();
  return field.type_name();
}

std::string LabelOf(const pb::FieldDescriptor& field) {
  if (field.is_map()) return "";
  if (field.is_repeated()) return "repeated ";
  if (field.has_optional_keyword()) return "optional ";
  const pb::OneofDescriptor* oneof = field.real_containing_oneof();
  return oneof == nullptr ? "" : StrCat("oneof ", oneof->name(), " ");
}

// `last` belongs to the range. "to max" is not spelt out.
void AddReserved(const std::string& owner, int first, int last, DescriptorLines& lines) {
  constexpr int kLongest = 1000;
  for (int number = first; number <= std::min(last, first + kLongest); ++number) {
    lines.insert(StrCat(owner, " reserved ", number));
  }
}

void DescribeEnum(const pb::EnumDescriptor& type, DescriptorLines& lines) {
  const std::string& name = type.full_name();
  lines.insert(StrCat(name, " enum"));
  for (int i = 0; i < type.value_count(); ++i) {
    lines.insert(StrCat(name, ".", type.value(i)->name(), " = ", type.value(i)->number()));
  }
  for (int i = 0; i < type.reserved_range_count(); ++i) {
    AddReserved(name, type.reserved_range(i)->start, type.reserved_range(i)->end, lines);
  }
  for (int i = 0; i < type.reserved_name_count(); ++i) {
    lines.insert(StrCat(name, " reserved ", type.reserved_name(i)));
  }
}

void DescribeMessage(const pb::Descriptor& message, DescriptorLines& lines) {
  if (message.options().map_entry()) return;
  const std::string& name = message.full_name();
  lines.insert(StrCat(name, " message"));
  for (int i = 0; i < message.field_count(); ++i) {
    const pb::FieldDescriptor& field = *message.field(i);
    lines.insert(
        StrCat(name, ".", field.name(), " = ", field.number(), " ", LabelOf(field), TypeOf(field)));
  }
  for (int i = 0; i < message.reserved_range_count(); ++i) {
    AddReserved(name, message.reserved_range(i)->start, message.reserved_range(i)->end - 1, lines);
  }
  for (int i = 0; i < message.reserved_name_count(); ++i) {
    lines.insert(StrCat(name, " reserved ", message.reserved_name(i)));
  }
  for (int i = 0; i < message.enum_type_count(); ++i) DescribeEnum(*message.enum_type(i), lines);
  for (int i = 0; i < message.nested_type_count(); ++i) {
    DescribeMessage(*message.nested_type(i), lines);
  }
}

bool IsRetired(const std::string& line, const DescriptorLines& current) {
  static const std::regex kMember(R"((\S+)\.([^. ]+) = (-?\d+)( .*)?)");
  std::smatch part;
  return std::regex_match(line, part, kMember) &&
         current.contains(StrCat(part[1].str(), " reserved ", part[2].str())) &&
         current.contains(StrCat(part[1].str(), " reserved ", part[3].str()));
}

}  // namespace

void Describe(const pb::FileDescriptor& file, DescriptorLines& lines) {
  for (int i = 0; i < file.message_type_count(); ++i) {
    DescribeMessage(*file.message_type(i), lines);
  }
  for (int i = 0; i < file.enum_type_count(); ++i) DescribeEnum(*file.enum_type(i), lines);
  for (int i = 0; i < file.service_count(); ++i) {
    for (int j = 0; j < file.service(i)->method_count(); ++j) {
      const pb::MethodDescriptor& method = *file.service(i)->method(j);
      lines.insert(StrCat(method.full_name(), " rpc (", method.client_streaming() ? "stream " : "",
                          method.input_type()->full_name(), ") returns (",
                          method.server_streaming() ? "stream " : "",
                          method.output_type()->full_name(), ")"));
    }
  }
}

std::vector<std::string> Broken(const DescriptorLines& frozen, const DescriptorLines& current) {
  std::vector<std::string> broken;
  for (const std::string& line : frozen) {
    if (!current.contains(line) && !IsRetired(line, current)) broken.push_back(line);
  }
  return broken;
}

}  // namespace federity::testing
