#ifndef FEDERITY_CLIENT_CLI_ARGUMENTS_H_
#define FEDERITY_CLIENT_CLI_ARGUMENTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/resource_name.h"
#include "federity/v1/membership.pb.h"

namespace federity::cli {

// What people write, as what the API takes. Errors are INVALID_ARGUMENT with
// the value and the right form.

// "o/r" → "organizations/o/repositories/r".
absl::StatusOr<std::string> RepositoryName(std::string_view text);
// "o/r" or "o"; "server" → "".
absl::StatusOr<std::string> ScopeName(std::string_view text);
// "o/r" or "o/r@COMMIT".
absl::StatusOr<CommitReference> CommitArgument(std::string_view text);
// "…/commits/{commit}".
std::string CommitName(const CommitReference& reference);
// "7" → "…/rounds/7"; "latest" likewise.
absl::StatusOr<std::string> RoundName(std::string_view repository_name, std::string_view round);

// A path that ends in .safetensors (weights alone) or .pt (the whole model).
absl::StatusOr<std::string> ModelFile(std::string_view text);

// "contributor" → ROLE_CONTRIBUTOR.
absl::StatusOr<v1::Role> ParseRole(std::string_view text);
// "person", "agent".
absl::StatusOr<v1::MemberKind> ParseKind(std::string_view text);
// "7d", "12h".
absl::StatusOr<int64_t> ParseSeconds(std::string_view text);

// How they stand on screen: "owner", "agent".
std::string RoleText(v1::Role role);
std::string KindText(v1::MemberKind kind);
// The last segment of a resource name; the first 12 digits of a commit's, the
// first 8 of a UUID.
std::string LastSegment(std::string_view name);
std::string ShortCommit(std::string_view name);
std::string ShortId(std::string_view name);

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_ARGUMENTS_H_
