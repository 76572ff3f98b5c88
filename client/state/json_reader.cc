#include "client/state/json_reader.h"

#include "common/base/strings.h"

namespace federity::state {
namespace {

using nlohmann::json;

const json& Null() {
  static const json value;
  return value;
}

const json& EmptyArray() {
  static const json value = json::array();
  return value;
}

}  // namespace

JsonReader::JsonReader(const json& object) : object_(object) {
  if (!object.is_object()) status_ = absl::InvalidArgumentError("it is not a JSON object");
}

const json* JsonReader::Find(const char* key) const {
  if (!object_.is_object()) return nullptr;
  const auto at = object_.find(key);
  return at == object_.end() || at->is_null() ? nullptr : &*at;
}

bool JsonReader::Has(const char* key) const { return Find(key) != nullptr; }

void JsonReader::Fail(const char* key, std::string_view message) {
  if (status_.ok()) status_ = absl::InvalidArgumentError(StrCat("field '", key, "' ", message));
}

std::string JsonReader::String(const char* key, std::string fallback) {
  const json* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->is_string()) return value->get<std::string>();
  Fail(key, "is not a string");
  return fallback;
}

int64_t JsonReader::Integer(const char* key, int64_t fallback) {
  const json* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->is_number_integer()) return value->get<int64_t>();
  Fail(key, "is not a whole number");
  return fallback;
}

double JsonReader::Number(const char* key, double fallback) {
  const json* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->is_number()) return value->get<double>();
  Fail(key, "is not a number");
  return fallback;
}

bool JsonReader::Boolean(const char* key, bool fallback) {
  const json* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  Fail(key, "is neither true nor false");
  return fallback;
}

absl::Time JsonReader::Time(const char* key, absl::Time fallback) {
  if (!Has(key)) return fallback;
  absl::Time time;
  if (absl::ParseTime(absl::RFC3339_full, String(key), &time, nullptr)) return time;
  Fail(key, "is not a time");
  return fallback;
}

std::vector<std::string> JsonReader::Strings(const char* key) {
  std::vector<std::string> values;
  for (const json& value : Array(key)) {
    if (!value.is_string()) {
      Fail(key, "has something other than a string");
      return {};
    }
    values.push_back(value.get<std::string>());
  }
  return values;
}

std::vector<int64_t> JsonReader::Integers(const char* key) {
  std::vector<int64_t> values;
  for (const json& value : Array(key)) {
    if (!value.is_number_integer()) {
      Fail(key, "has something other than a whole number");
      return {};
    }
    values.push_back(value.get<int64_t>());
  }
  return values;
}

const json& JsonReader::Object(const char* key) {
  const json* value = Find(key);
  if (value == nullptr) return Null();
  if (value->is_object()) return *value;
  Fail(key, "is not an object");
  return Null();
}

const json& JsonReader::Array(const char* key) {
  const json* value = Find(key);
  if (value == nullptr) return EmptyArray();
  if (value->is_array()) return *value;
  Fail(key, "is not an array");
  return EmptyArray();
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

absl::StatusOr<json> ParseJsonObject(std::string_view text) {
  json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) return absl::InvalidArgumentError("it is not a JSON object");
  return value;
}

std::string FormatJson(const json& value) {
  return value.dump(2, ' ', false, json::error_handler_t::replace);
}

}  // namespace federity::state
