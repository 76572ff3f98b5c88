#ifndef FEDERITY_CLIENT_TERMINAL_JSON_H_
#define FEDERITY_CLIENT_TERMINAL_JSON_H_

#include <google/protobuf/generated_enum_reflection.h>
#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>
#include <string>

namespace federity::terminal {

using Json = nlohmann::ordered_json;

// A message of the API as `--json` shows it: every field under its name in the
// proto, also those at their default. Timestamps are RFC 3339 in UTC, bytes
// hexadecimal, fixed64 (seeds) decimal text, an unset message null, not-a-number
// null, enumerations as EnumText.
Json ToJson(const google::protobuf::Message& message);

// A value of an enumeration, in tables too. One that carries the enumeration's name
// as a prefix loses it and is lower case ("ROLE_OWNER" → "owner"); others stay
// ("COMMITTED"); one of a later version is "unknown (7)".
std::string EnumText(const google::protobuf::EnumDescriptor& type, int value);
template <typename Enum>
std::string EnumText(Enum value) {
  return EnumText(*google::protobuf::GetEnumDescriptor<Enum>(), value);
}

// One line for machines, or two-space indentation. Never throws: broken UTF-8
// is replaced.
std::string Dump(const Json& json, bool pretty);

}  // namespace federity::terminal

#endif  // FEDERITY_CLIENT_TERMINAL_JSON_H_
