#include "client/cli/arguments.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "client/terminal/json.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/config/strict_toml.h"

namespace federity::cli {
namespace {

constexpr v1::Role kRoles[] = {v1::ROLE_OWNER, v1::ROLE_MAINTAINER, v1::ROLE_CONTRIBUTOR,
                               v1::ROLE_VIEWER, v1::ROLE_AUDITOR};

}  // namespace

absl::StatusOr<std::string> RepositoryName(std::string_view text) {
  auto name = RepositoryNameFromShort(text);
  if (name.ok()) return name;
  return InvalidArgument("repository", StrCat("'", text,
                                              "' is no repository; write OWNER/NAME, lower case "
                                              "letters, digits and hyphens, as in st-mary/heart"));
}

absl::StatusOr<std::string> ScopeName(std::string_view text) {
  if (text == "server") return std::string();
  if (text.find('/') != text.npos) return RepositoryName(text);
  if (IsIdentifier(text)) return StrCat("organizations/", text);
  return InvalidArgument("scope", StrCat("'", text,
                                         "' is neither a repository (OWNER/NAME) nor an "
                                         "organisation (lower case, a-z 0-9 -)"));
}

absl::StatusOr<CommitReference> CommitArgument(std::string_view text) {
  auto reference = ParseCommitReference(text);
  if (reference.ok()) return reference;
  return InvalidArgument(
      "commit", StrCat("'", text,
                       "' is no commit; write OWNER/NAME@COMMIT, where COMMIT is a digest's "
                       "beginning, v3, a tag or head"));
}

std::string CommitName(const CommitReference& reference) {
  return StrCat(reference.repository_name, "/commits/", reference.commit);
}

absl::StatusOr<std::string> RoundName(std::string_view repository_name, std::string_view round) {
  const bool number = !round.empty() && round.size() < 10 && round.front() != '0' &&
                      std::all_of(round.begin(), round.end(),
                                  [](unsigned char c) { return absl::ascii_isdigit(c); });
  if (!number && round != "latest") {
    return InvalidArgument("round", StrCat("'", round, "' is no round; write its number"));
  }
  return StrCat(repository_name, "/rounds/", round);
}

absl::StatusOr<std::string> ModelFile(std::string_view text) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(text).parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder, error)) {
    return InvalidArgument("output", StrCat("there is no folder '", folder.string(), "'"));
  }
  if (text.ends_with(".pt") || text.ends_with(".safetensors")) return std::string(text);
  return InvalidArgument("output", StrCat("'", text,
                                          "' must end in .safetensors (the weights) or .pt (the "
                                          "model for torch.jit.load)"));
}

absl::StatusOr<v1::Role> ParseRole(std::string_view text) {
  for (const v1::Role role : kRoles) {
    if (RoleText(role) == text) return role;
  }
  return InvalidArgument("role",
                         StrCat("'", text,
                                "' is no role; there are owner, maintainer, contributor, viewer "
                                "and auditor"));
}

absl::StatusOr<v1::MemberKind> ParseKind(std::string_view text) {
  if (text == "person") return v1::MEMBER_KIND_PERSON;
  if (text == "agent") return v1::MEMBER_KIND_AGENT;
  return InvalidArgument("for", StrCat("'", text, "' is neither person nor agent"));
}

absl::StatusOr<int64_t> ParseSeconds(std::string_view text) {
  const auto duration = config::ParseDuration(text);
  if (duration.ok() && *duration > absl::ZeroDuration()) return absl::ToInt64Seconds(*duration);
  return InvalidArgument("expires", StrCat("'", text, "' is no time span; write 7d, 12h or 30m"));
}

std::string RoleText(v1::Role role) { return terminal::EnumText(role); }

std::string KindText(v1::MemberKind kind) { return terminal::EnumText(kind); }

std::string LastSegment(std::string_view name) {
  return std::string(name.substr(name.rfind('/') + 1));
}

std::string ShortCommit(std::string_view name) { return LastSegment(name).substr(0, 12); }

std::string ShortId(std::string_view name) { return LastSegment(name).substr(0, 8); }

}  // namespace federity::cli
