#include "common/base/resource_name.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/base/utf8.h"

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

// U+00E0 to U+00FF; U+00C0 to U+00DF are their capitals, but for the sharp s.
constexpr std::string_view kLatin1[] = {"a", "a", "a", "a", "ae", "a", "ae", "c",  "e", "e", "e",
                                        "e", "i", "i", "i", "i",  "d", "n",  "o",  "o", "o", "o",
                                        "oe", "", "o", "u", "u",  "u", "ue", "y", "th", "y"};

// A letter or digit in [a-z0-9]; empty for what separates words.
std::string Spelled(uint32_t code) {
  if (code < 0x80) {
    const auto c = static_cast<unsigned char>(code);
    return absl::ascii_isalnum(c) ? std::string(1, absl::ascii_tolower(c)) : "";
  }
  if (code == 0xdf) return "ss";
  if (code < 0xc0) return "";
  if (code < 0x100) return std::string(kLatin1[(code - 0xc0) % 32]);
  const bool punctuation = (code >= 0x2000 && code < 0x2070) || (code >= 0x3000 && code < 0x3040);
  return punctuation ? "" : absl::StrCat(absl::Hex(code));
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
  while (!display_name.empty()) {
    const CodePoint code = DecodeUtf8(display_name);
    display_name.remove_prefix(code.size);
    const std::string spelled = code.valid ? Spelled(code.value) : "";
    if (!spelled.empty()) {
      id += spelled;
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
