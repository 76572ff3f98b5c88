#include "tests/wire/messages.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "common/base/strings.h"

namespace federity::testing {
namespace {

namespace pb = google::protobuf;
using pb::FieldDescriptor;
using pb::Message;
using pb::util::MessageDifferencer;

std::vector<const FieldDescriptor*> FieldsOf(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  return fields;
}

// Passes over fields that vary, where they are set at all.
class Varying final : public MessageDifferencer::IgnoreCriteria {
 public:
  explicit Varying(const wire::Scenario& scenario) : scenario_(scenario) {}
  bool IsIgnored(const Message&, const Message& actual, const FieldDescriptor* field,
                 const std::vector<MessageDifferencer::SpecificField>&) override {
    const pb::Reflection& reflection = *actual.GetReflection();
    const bool set = field->is_repeated() ? reflection.FieldSize(actual, field) > 0
                                          : reflection.HasField(actual, field);
    return set && (Named(field->full_name()) ||
                   (field->message_type() != nullptr && Named(field->message_type()->full_name())));
  }

 private:
  bool Named(const std::string& name) const {
    return std::find(scenario_.varying().begin(), scenario_.varying().end(), name) !=
           scenario_.varying().end();
  }
  const wire::Scenario& scenario_;
};

}  // namespace

AnyMessage NewMessage(const pb::Descriptor& type) {
  return AnyMessage(pb::MessageFactory::generated_factory()->GetPrototype(&type)->New());
}

AnyMessage Unpack(const pb::Any& any) {
  const std::string name = any.type_url().substr(any.type_url().rfind('/') + 1);
  const pb::Descriptor* type = pb::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
  if (type == nullptr) throw std::runtime_error(StrCat("there is no message ", name));
  AnyMessage message = NewMessage(*type);
  if (!message->ParseFromString(any.value())) throw std::runtime_error(name + " does not parse");
  return message;
}

pb::Any Pack(const Message& message) {
  pb::Any any;
  any.set_type_url(StrCat("type.googleapis.com/", message.GetDescriptor()->full_name()));
  any.set_value(Bytes(message));
  return any;
}

std::string Bytes(const Message& message) {
  std::string bytes;
  {
    pb::io::StringOutputStream out(&bytes);
    pb::io::CodedOutputStream coded(&out);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

void ForEachMessage(Message& message, const std::function<void(Message&)>& visit) {
  visit(message);
  const pb::Reflection& reflection = *message.GetReflection();
  for (const FieldDescriptor* field : FieldsOf(message)) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      ForEachMessage(*reflection.MutableMessage(&message, field), visit);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      ForEachMessage(*reflection.MutableRepeatedMessage(&message, field, i), visit);
    }
  }
}

void ForEachText(Message& message, const std::function<std::string(const std::string&)>& change) {
  ForEachMessage(message, [&](Message& part) {
    if (part.GetDescriptor() == pb::Any::descriptor()) return;
    const pb::Reflection& reflection = *part.GetReflection();
    for (const FieldDescriptor* field : FieldsOf(part)) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) continue;
      if (!field->is_repeated()) {
        reflection.SetString(&part, field, change(reflection.GetString(part, field)));
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(part, field); ++i) {
        reflection.SetRepeatedString(&part, field, i,
                                     change(reflection.GetRepeatedString(part, field, i)));
      }
    }
  });
}

void ForEachPair(const Message& pattern, const Message& message,
                 const std::function<void(const std::string&, const std::string&)>& visit) {
  const pb::Reflection& wanted = *pattern.GetReflection();
  const pb::Reflection& found = *message.GetReflection();
  for (const FieldDescriptor* field : FieldsOf(pattern)) {
    const bool text = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
    if (!text && field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      if (text) {
        visit(wanted.GetString(pattern, field), found.GetString(message, field));
      } else {
        ForEachPair(wanted.GetMessage(pattern, field), found.GetMessage(message, field), visit);
      }
      continue;
    }
    const int size = std::min(wanted.FieldSize(pattern, field), found.FieldSize(message, field));
    for (int i = 0; i < size; ++i) {
      if (text) {
        visit(wanted.GetRepeatedString(pattern, field, i),
              found.GetRepeatedString(message, field, i));
      } else {
        ForEachPair(wanted.GetRepeatedMessage(pattern, field, i),
                    found.GetRepeatedMessage(message, field, i), visit);
      }
    }
  }
}

std::string Difference(const wire::Scenario& scenario, const Message& expected,
                       const Message& actual) {
  if (expected.GetDescriptor() != actual.GetDescriptor()) {
    return StrCat(expected.GetDescriptor()->full_name(), " is expected and ",
                  actual.GetDescriptor()->full_name(), " came");
  }
  MessageDifferencer differencer;
  differencer.set_scope(MessageDifferencer::PARTIAL);
  differencer.AddIgnoreCriteria(new Varying(scenario));  // which it owns
  for (const std::string& name : scenario.unordered()) {
    const FieldDescriptor* field = pb::DescriptorPool::generated_pool()->FindFieldByName(name);
    if (field == nullptr) throw std::runtime_error(StrCat("there is no field ", name));
    differencer.TreatAsSet(field);
  }
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  if (differencer.Compare(expected, actual)) return {};
  return StrCat(differences, "in:\n", actual.DebugString());
}

}  // namespace federity::testing
