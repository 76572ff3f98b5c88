#ifndef FEDERITY_COMMON_LOG_LOG_H_
#define FEDERITY_COMMON_LOG_LOG_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace federity::log {

// Structured log lines on standard error (or a file), as logfmt:
//   2026-11-24T05:00:00.000Z info round committed repository=o/r round=3
// Never personal data, never weights, never secrets. Thread-safe.

enum class Level { kDebug, kInfo, kWarning, kError };

// Once, from main. `program` stands in every line.
void Initialise(std::string_view program, Level level);
// "debug", "info", "warning", "error"; kInfo for anything else.
Level ParseLevel(std::string_view text);

using Field = std::pair<std::string_view, std::string>;
void Write(Level level, std::string_view message, std::initializer_list<Field> fields);

inline void Debug(std::string_view message, std::initializer_list<Field> fields = {}) {
  Write(Level::kDebug, message, fields);
}
inline void Info(std::string_view message, std::initializer_list<Field> fields = {}) {
  Write(Level::kInfo, message, fields);
}
inline void Warning(std::string_view message, std::initializer_list<Field> fields = {}) {
  Write(Level::kWarning, message, fields);
}
inline void Error(std::string_view message, std::initializer_list<Field> fields = {}) {
  Write(Level::kError, message, fields);
}

}  // namespace federity::log

#endif  // FEDERITY_COMMON_LOG_LOG_H_
