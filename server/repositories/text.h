#ifndef FEDERITY_SERVER_REPOSITORIES_TEXT_H_
#define FEDERITY_SERVER_REPOSITORIES_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace federity::repositories {

// INVALID_ARGUMENT, naming `field`, unless `text` has at most `max_characters`
// code points and no control character (but newline and tab where `lines`).
// PostgreSQL takes no NUL, and terminals should see no escape sequences.
absl::Status CheckText(std::string_view field, std::string_view text, int64_t max_characters,
                       bool lines);

// "sha256:…" or its 64 digits → "sha256:…"; INVALID_ARGUMENT.
absl::StatusOr<std::string> NormaliseDigest(std::string_view text);

// "sha256:" and 64 digits → the digits.
std::string HexOfDigest(std::string_view digest);

}  // namespace federity::repositories

#endif  // FEDERITY_SERVER_REPOSITORIES_TEXT_H_
