#include "common/base/resource_name.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity {
namespace {

constexpr size_t kMaxNameLength = 1024;
constexpr size_t kMaxIdentifier = 63;
constexpr size_t kMaxSegment = 128;

// Segments end up in paths of files and URLs, so "." and ".." are no names.
bool IsSegment(std::string_view text) {
  return !text.empty() && text.size() <= kMaxSegment &&
         std::all_of(text.begin(), text.end(),
                     [](char c) {
                       return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
                              c == '_' || c == '-';
                     }) &&
         text.find_first_not_of('.') != std::string_view::npos;
}

// A collection of the free part; the two fixed ones would make names ambiguous.
bool IsCollection(std::string_view text) {
  return IsSegment(text) && text != "organizations" && text != "repositories";
}

absl::Status Malformed(std::string_view name, std::string_view why) {
  return InvalidArgument("name",
                         StrCat("\"", name.substr(0, 200), "\" is not a resource name: ", why));
}

constexpr std::string_view kIdentifierRule =
    "must be 1 to 63 of a-z, 0-9 and -, with no - first or last";

}  // namespace

bool IsIdentifier(std::string_view text) {
  return !text.empty() && text.size() <= kMaxIdentifier && text.front() != '-' &&
         text.back() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

std::string IdentifierFromDisplayName(std::string_view display_name) {
  std::string id;
  for (const char c : display_name) {
    const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
    if ((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9')) {
      id.push_back(lower);
    } else if (!id.empty() && id.back() != '-') {
      id.push_back('-');
    }
  }
  while (!id.empty() && id.back() == '-') id.pop_back();
  return id;
}

std::string ResourceName::organization_name() const {
  return StrCat("organizations/", organization);
}

std::string ResourceName::repository_name() const {
  return StrCat("organizations/", organization, "/repositories/", repository);
}

std::string ResourceName::short_name() const { return StrCat(organization, "/", repository); }

absl::StatusOr<ResourceName> ParseResourceName(std::string_view name) {
  if (name.size() > kMaxNameLength) return Malformed(name, "it is too long");
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(name), '/');
  if (parts.size() % 2 != 0 || parts.size() < 2)
    return Malformed(name, "expected collection/id pairs, as in organizations/st-mary");
  ResourceName result;
  size_t next = 0;
  if (parts[0] == "organizations") {
    if (!IsIdentifier(parts[1]))
      return Malformed(name, StrCat("an organisation's identifier ", kIdentifierRule));
    result.organization = parts[1];
    next = 2;
    if (parts.size() > 2 && parts[2] == "repositories") {
      if (!IsIdentifier(parts[3]))
        return Malformed(name, StrCat("a repository's identifier ", kIdentifierRule));
      result.repository = parts[3];
      next = 4;
    }
  }
  if (parts.size() - next > 4) return Malformed(name, "it has too many parts");
  for (size_t i = next; i < parts.size(); i += 2) {
    if (!IsCollection(parts[i]) || !IsSegment(parts[i + 1]))
      return Malformed(name, StrCat("\"", parts[i], "/", parts[i + 1], "\" is not allowed"));
  }
  if (next < parts.size()) {
    result.collection = parts[next];
    result.id = parts[next + 1];
  }
  if (next + 2 < parts.size()) {
    result.subcollection = parts[next + 2];
    result.subid = parts[next + 3];
  }
  return result;
}

std::string FormatResourceName(const ResourceName& name) {
  std::string text;
  const auto add = [&text](std::string_view collection, std::string_view id) {
    if (id.empty()) return;
    text += StrCat(text.empty() ? "" : "/", collection, "/", id);
  };
  add("organizations", name.organization);
  add("repositories", name.repository);
  add(name.collection, name.id);
  add(name.subcollection, name.subid);
  return text;
}

absl::StatusOr<std::string> RepositoryNameFromShort(std::string_view short_name) {
  const size_t slash = short_name.find('/');
  const std::string_view owner = short_name.substr(0, slash);
  const std::string_view repository =
      slash == std::string_view::npos ? std::string_view() : short_name.substr(slash + 1);
  if (!IsIdentifier(owner) || !IsIdentifier(repository))
    return InvalidArgument("repository", StrCat("\"", short_name.substr(0, 200),
                                                "\" is not a repository: write OWNER/NAME, each ",
                                                kIdentifierRule.substr(5)));
  return StrCat("organizations/", owner, "/repositories/", repository);
}

absl::StatusOr<CommitReference> ParseCommitReference(std::string_view text) {
  const size_t at = text.find('@');
  FEDERITY_ASSIGN_OR_RETURN(std::string repository, RepositoryNameFromShort(text.substr(0, at)));
  std::string commit =
      at == std::string_view::npos ? std::string("head") : std::string(text.substr(at + 1));
  if (!IsSegment(commit))
    return InvalidArgument(
        "commit", StrCat("\"", commit.substr(0, 200),
                         "\" is not a commit: write head, a tag, or the start of a digest"));
  return CommitReference{std::move(repository), std::move(commit)};
}

}  // namespace federity
