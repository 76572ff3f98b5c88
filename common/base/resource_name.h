#ifndef FEDERITY_COMMON_BASE_RESOURCE_NAME_H_
#define FEDERITY_COMMON_BASE_RESOURCE_NAME_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace federity {

// [a-z0-9-], 1 to 63 characters, no hyphen first or last.
bool IsIdentifier(std::string_view text);

// "St. Luke's" → "st-luke-s", "Süd" → "sued": lower case, Latin-1 letters as they
// are written without accents, other letters as the hexadecimal of their code
// point, so that different names stay different; runs of spaces and punctuation
// become one hyphen. Empty if nothing is left. Never cut, or two long names would
// become one: what IsIdentifier refuses needs a shorter name.
std::string IdentifierFromDisplayName(std::string_view display_name);

// A parsed resource name of the API. What a name does not have is empty.
//   organizations/{organization}[/repositories/{repository}][/{collection}/{id}[/{subcollection}/{subid}]]
// e.g. organizations/st-mary/repositories/heart/rounds/3/contributions/…
// and members/{m}, auditEvents/{e} of the server itself.
struct ResourceName {
  std::string organization;
  std::string repository;
  std::string collection;     // "members", "rounds", …
  std::string id;
  std::string subcollection;  // "contributions"
  std::string subid;

  // "organizations/o/repositories/r"; REQUIRES: both are set.
  std::string repository_name() const;
  // "organizations/o"; REQUIRES: organization is set.
  std::string organization_name() const;
  // What people write: "o/r".
  std::string short_name() const;

  friend bool operator==(const ResourceName&, const ResourceName&) = default;
};

// INVALID_ARGUMENT for anything that is not such a name. Identifiers of
// organisations and repositories must satisfy IsIdentifier; other segments are
// 1 to 128 characters of [A-Za-z0-9._-].
absl::StatusOr<ResourceName> ParseResourceName(std::string_view name);

// The name for the parts that are set; the inverse of parsing.
std::string FormatResourceName(const ResourceName& name);

// "o/r" → "organizations/o/repositories/r"; INVALID_ARGUMENT otherwise.
absl::StatusOr<std::string> RepositoryNameFromShort(std::string_view short_name);

// "o/r@COMMIT" → repository name and commit part ("head" if left out).
struct CommitReference {
  std::string repository_name;
  std::string commit;
};
absl::StatusOr<CommitReference> ParseCommitReference(std::string_view text);

}  // namespace federity

#endif  // FEDERITY_COMMON_BASE_RESOURCE_NAME_H_
