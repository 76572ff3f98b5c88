#include "server/store/sql_error.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "common/base/errors.h"
#include "common/base/strings.h"

namespace federity::store {
namespace {

struct Mapping {
  std::string_view prefix;  // a class (two characters) or a whole SQLSTATE
  absl::StatusCode code;
};

// The first prefix that fits decides.
constexpr Mapping kMappings[] = {
    {"40001", absl::StatusCode::kAborted},           // serialization_failure
    {"40P01", absl::StatusCode::kAborted},           // deadlock_detected
    {"55P03", absl::StatusCode::kAborted},           // lock_not_available
    {"23505", absl::StatusCode::kAlreadyExists},     // unique_violation
    {"23P01", absl::StatusCode::kAlreadyExists},     // exclusion_violation
    {"23", absl::StatusCode::kFailedPrecondition},   // other constraints
    {"22", absl::StatusCode::kInvalidArgument},      // data exceptions
    {"57014", absl::StatusCode::kDeadlineExceeded},  // statement_timeout
    {"57P", absl::StatusCode::kUnavailable},         // shutdown, starting up
    {"25P03", absl::StatusCode::kUnavailable},       // idle in transaction: disconnected
    {"25006", absl::StatusCode::kUnavailable},       // read only: a standby
    {"08", absl::StatusCode::kUnavailable},          // connection
    {"53300", absl::StatusCode::kUnavailable},       // too_many_connections
    {"53", absl::StatusCode::kResourceExhausted},    // disk full, memory
    {"58", absl::StatusCode::kUnavailable},          // I/O errors of the server
};

}  // namespace

absl::Status StatusFromSqlState(std::string_view sqlstate, std::string_view message) {
  const absl::string_view first_line = ToAbsl(message.substr(0, message.find('\n')));
  const std::string text =
      StrCat("database: ", absl::StripAsciiWhitespace(absl::StripPrefix(first_line, "ERROR:")),
             sqlstate.empty() ? "" : StrCat(" (", sqlstate, ")"));
  if (sqlstate == "53100") return Error(ErrorReason::ERROR_REASON_STORAGE_FULL, text);
  for (const Mapping& mapping : kMappings) {
    if (sqlstate.substr(0, mapping.prefix.size()) == mapping.prefix) {
      return absl::Status(mapping.code, text);
    }
  }
  return absl::InternalError(text);
}

}  // namespace federity::store
