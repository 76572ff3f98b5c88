#ifndef FEDERITY_COMMON_CONFIG_STRICT_TOML_H_
#define FEDERITY_COMMON_CONFIG_STRICT_TOML_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace federity::config {

// Reads a TOML document key by key and, at the end, refuses what nobody asked
// for. Errors name key, line and what would be right. toml++'s exceptions stop
// here. Getters record the first error and return the fallback, so that a
// loader reads top to bottom and checks once, with Finish(). Not thread-safe.
//
//   StrictToml toml = …;
//   options.listen = toml.String("listen", options.listen);
//   FEDERITY_RETURN_IF_ERROR(toml.Finish());
class StrictToml {
 public:
  // INVALID_ARGUMENT with line and column for a syntax error or text > 1 MiB.
  static absl::StatusOr<StrictToml> Parse(std::string_view text);
  StrictToml(StrictToml&&) noexcept;
  StrictToml& operator=(StrictToml&&) noexcept;
  ~StrictToml();

  // Keys are dotted paths: "data.kind".
  bool Has(std::string_view key);
  std::string String(std::string_view key, std::string_view fallback);
  int64_t Integer(std::string_view key, int64_t fallback, int64_t low, int64_t high);
  double Number(std::string_view key, double fallback, double low, double high);
  bool Boolean(std::string_view key, bool fallback);
  // "10m", "24h", "30s", "7d".
  absl::Duration Duration(std::string_view key, absl::Duration fallback, absl::Duration low,
                          absl::Duration high);
  std::vector<std::string> Strings(std::string_view key);
  // A text alone is a list of one.
  std::vector<std::string> StringOrStrings(std::string_view key);
  // Texts or whole numbers; numbers become their decimal text.
  std::vector<std::string> Labels(std::string_view key);
  std::vector<double> Numbers(std::string_view key);
  std::vector<int64_t> Integers(std::string_view key);
  // One of `allowed`; the error lists them.
  std::string OneOf(std::string_view key, std::string_view fallback,
                    const std::vector<std::string_view>& allowed);
  // Records an error of the caller's own about a key.
  void Fail(std::string_view key, std::string_view message);

  // The first error recorded; else, an unknown key, with the nearest known one.
  // The status has metadata "key".
  absl::Status Finish();

 private:
  struct State;
  explicit StrictToml(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// "90s" ↔ absl::Duration, whole seconds; the largest unit that divides.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);
std::string FormatDuration(absl::Duration duration);

}  // namespace federity::config

#endif  // FEDERITY_COMMON_CONFIG_STRICT_TOML_H_
