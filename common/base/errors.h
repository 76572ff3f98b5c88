#ifndef FEDERITY_COMMON_BASE_ERRORS_H_
#define FEDERITY_COMMON_BASE_ERRORS_H_

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "federity/v1/errors.pb.h"

namespace federity {

// Errors between modules are absl::Status. An error that crosses the API also
// carries an ErrorReason and the dynamic parts of its message, as a payload
// that common/rpc turns into a google.rpc.ErrorInfo and back.

using ErrorReason = v1::ErrorReason;
using ErrorMetadata = std::map<std::string, std::string>;

// The payload's type URL; its bytes are a google.rpc.ErrorInfo.
inline constexpr std::string_view kErrorInfoUrl = "type.googleapis.com/google.rpc.ErrorInfo";

// A status with a reason. The canonical code follows from the reason (one
// table in errors.cc). `message` says what was wrong, with which value, and
// what to do, as one or two sentences.
absl::Status Error(ErrorReason reason, std::string_view message, ErrorMetadata metadata = {});

// Shorthands for the commonest two.
absl::Status InvalidArgument(std::string_view field, std::string_view message);
absl::Status NotFound(std::string_view what);

// The reason that a status carries; ERROR_REASON_INTERNAL for an error without
// one, ERROR_REASON_UNSPECIFIED for OK.
ErrorReason ReasonOf(const absl::Status& status);

// Its metadata; empty if there is none.
ErrorMetadata MetadataOf(const absl::Status& status);

// "ROUND_STATE" for ERROR_REASON_ROUND_STATE, and back (UNSPECIFIED when
// unknown: a newer coordinator's reason).
std::string_view ReasonName(ErrorReason reason);
ErrorReason ReasonFromName(std::string_view name);

// The same error with "context: " before its message; reason and metadata stay.
absl::Status Annotate(const absl::Status& status, std::string_view context);

}  // namespace federity

#endif  // FEDERITY_COMMON_BASE_ERRORS_H_
