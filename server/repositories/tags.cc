#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/repositories/commits.h"
#include "server/repositories/repositories.h"

namespace federity::repositories {
namespace {

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

// A tag must not read as another reference. Whole digests are excluded; a tag
// may look like a prefix, and then wins over it.
absl::Status CheckTagName(std::string_view name) {
  const bool characters =
      !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), [](char c) {
        return IsDigit(c) || (c >= 'a' && c <= 'z') || c == '.' || c == '-';
      });
  if (!characters) {
    return InvalidArgument(
        "name", StrCat("\"", name, "\" is no tag: 1 to 63 of a-z, 0-9, full stop and -"));
  }
  if (name == "head" ||
      (name.size() > 1 && name[0] == 'v' && std::all_of(name.begin() + 1, name.end(), IsDigit))) {
    return InvalidArgument("name", StrCat("\"", name, "\" can't be a tag: it names a commit by ",
                                          name == "head" ? "position" : "version"));
  }
  return absl::OkStatus();
}

TagRow FromRow(const store::Row& row) { return {row.Text(0), row.Text(1), row.Time(2)}; }

}  // namespace

absl::StatusOr<TagRow> SetTag(store::Transaction& transaction, std::string_view repository,
                              std::string_view name, std::string_view reference, bool force,
                              absl::Time now) {
  FEDERITY_RETURN_IF_ERROR(CheckTagName(name));
  FEDERITY_ASSIGN_OR_RETURN(const CommitRow commit,
                            ResolveCommit(transaction, repository, reference));
  // Without `force` an existing tag on the same commit is left as it is.
  FEDERITY_ASSIGN_OR_RETURN(
      std::optional<store::Row> row,
      transaction.QueryOptional(
          "INSERT INTO tags (repository, name, commit, created_at) VALUES ($1, $2, $3, $4) "
          "ON CONFLICT (repository, name) DO UPDATE SET commit = excluded.commit, created_at = "
          "CASE WHEN tags.commit = excluded.commit THEN tags.created_at ELSE excluded.created_at "
          "END WHERE $5::boolean OR tags.commit = excluded.commit "
          "RETURNING name, commit, created_at",
          store::Params().Text(repository).Text(name).Text(commit.digest).Time(now).Bool(force)));
  if (!row.has_value()) {
    return Error(v1::ERROR_REASON_ALREADY_EXISTS,
                 StrCat("The tag ", name, " is on another commit; move it with force."));
  }
  return FromRow(*row);
}

absl::Status DeleteTag(store::Transaction& transaction, std::string_view repository,
                       std::string_view name) {
  FEDERITY_RETURN_IF_ERROR(transaction
                               .Execute("DELETE FROM tags WHERE repository = $1 AND name = $2",
                                        store::Params().Text(repository).Text(name))
                               .status());
  if (transaction.affected_rows() == 0) return NotFound(StrCat("the tag ", name));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TagRow>> ListTags(store::Transaction& transaction,
                                             std::string_view repository, std::string_view after,
                                             int limit) {
  FEDERITY_ASSIGN_OR_RETURN(
      store::Rows rows,
      transaction.Execute("SELECT name, commit, created_at FROM tags WHERE repository = $1 AND "
                          "name > $2 COLLATE \"C\" ORDER BY name COLLATE \"C\" LIMIT $3",
                          store::Params().Text(repository).Text(after).Int(limit)));
  std::vector<TagRow> tags;
  for (const store::Row& row : rows) tags.push_back(FromRow(row));
  return tags;
}

}  // namespace federity::repositories
