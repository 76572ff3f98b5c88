#ifndef FEDERITY_CLIENT_STATE_JSON_READER_H_
#define FEDERITY_CLIENT_STATE_JSON_READER_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace federity::state {

// Reads a JSON object field by field without exceptions: a missing field gives
// the fallback; a field of another type gives it too and is remembered, so that
// a loader reads top to bottom and checks status() once. `object` must outlive
// it. Not thread-safe.
class JsonReader {
 public:
  explicit JsonReader(const nlohmann::json& object);
  bool Has(const char* key) const;
  std::string String(const char* key, std::string fallback = "");
  int64_t Integer(const char* key, int64_t fallback = 0);
  double Number(const char* key, double fallback = 0);
  bool Boolean(const char* key, bool fallback = false);
  // RFC 3339.
  absl::Time Time(const char* key, absl::Time fallback = absl::InfinitePast());
  std::vector<std::string> Strings(const char* key);
  std::vector<int64_t> Integers(const char* key);
  // An object, or null if it is missing.
  const nlohmann::json& Object(const char* key);
  // An array; empty if it is missing.
  const nlohmann::json& Array(const char* key);
  void Fail(const char* key, std::string_view message);
  // INVALID_ARGUMENT naming the first field that was wrong.
  const absl::Status& status() const { return status_; }

 private:
  const nlohmann::json* Find(const char* key) const;

  const nlohmann::json& object_;
  absl::Status status_;
};

// RFC 3339 in UTC, as all times stand in files and on the control socket.
std::string TimeText(absl::Time time);

// Text → JSON object; INVALID_ARGUMENT otherwise.
absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text);
// Indented text for files and screens; bytes that are not UTF-8 are replaced.
std::string FormatJson(const nlohmann::json& value);

}  // namespace federity::state

#endif  // FEDERITY_CLIENT_STATE_JSON_READER_H_
