#include "common/base/resource_name.h"
#include "server/membership/conversions.h"
#include "tests/fuzz/fuzz_target.h"

namespace federity {

FUZZ_TARGET(names) {
  if (const auto name = ParseResourceName(input); name.ok()) {
    FUZZ_CHECK(FormatResourceName(*name) == input);
    if (!name->repository.empty()) {
      const auto full = RepositoryNameFromShort(name->short_name());
      FUZZ_CHECK(full.ok() && *full == name->repository_name());
    }
  }
  if (const auto full = RepositoryNameFromShort(input); full.ok()) {
    const auto name = ParseResourceName(*full);
    FUZZ_CHECK(name.ok() && name->short_name() == input);
  }
  if (const auto commit = ParseCommitReference(input); commit.ok()) {
    FUZZ_CHECK(ParseResourceName(commit->repository_name).ok());
    FUZZ_CHECK(!commit->commit.empty());
  }
  const std::string identifier = IdentifierFromDisplayName(input);
  if (!identifier.empty() && identifier.size() <= 63) FUZZ_CHECK(IsIdentifier(identifier));
  FUZZ_CHECK(identifier.size() <= 10 * input.size());
  (void)membership::IsPlainText(input, 256);
}

}  // namespace federity
