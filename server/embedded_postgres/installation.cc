#include "server/embedded_postgres/installation.h"

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/embedded_postgres/process.h"

namespace federity::embedded_postgres {
namespace {

namespace fs = std::filesystem;

// Folders that may hold initdb and postgres, versioned ones first.
std::vector<fs::path> Candidates() {
  std::vector<fs::path> folders;
  std::error_code error;
  // Debian: /usr/lib/postgresql/15/bin.
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
    folders.push_back(entry.path() / "bin");
  }
  // PostgreSQL's own RPMs: /usr/pgsql-15/bin.
  for (const auto& entry : fs::directory_iterator("/usr", error)) {
    if (absl::StartsWith(entry.path().filename().string(), "pgsql-")) {
      folders.push_back(entry.path() / "bin");
    }
  }
  folders.emplace_back("/usr/local/pgsql/bin");
  if (const char* path = std::getenv("PATH"); path != nullptr) {
    for (const auto folder : absl::StrSplit(path, ':', absl::SkipEmpty())) {
      folders.emplace_back(std::string(folder));
    }
  }
  return folders;
}

// "postgres (PostgreSQL) 15.18 (Debian …)" → 15; 0 if it can't be told.
int MajorVersion(const fs::path& bin) {
  const absl::StatusOr<std::string> text =
      RunProgram({.arguments = {(bin / "postgres").string(), "-V"}, .user = CurrentUser()});
  if (!text.ok()) return 0;
  const size_t at = text->find(") ");
  int major = 0;
  if (at == std::string::npos) return 0;
  const std::vector<std::string> parts =
      absl::StrSplit(text->substr(at + 2), absl::ByAnyChar(". \nbr"));
  return absl::SimpleAtoi(parts.front(), &major) ? major : 0;
}

}  // namespace

absl::StatusOr<Installation> FindInstallation(std::optional<int> major) {
  Installation best;
  std::vector<int> seen;
  for (const fs::path& bin : Candidates()) {
    if (access((bin / "initdb").c_str(), X_OK) != 0) continue;
    if (access((bin / "postgres").c_str(), X_OK) != 0) continue;
    const int version = MajorVersion(bin);
    if (version == 0) continue;
    if (major.has_value() && version == *major) return Installation{bin, version};
    seen.push_back(version);
    if (version > best.major) best = {bin, version};
  }
  if (!major.has_value() && best.major > 0) return best;
  if (!major.has_value()) {
    return absl::FailedPreconditionError(
        "no PostgreSQL server is installed; `apt install postgresql`, or set database.url");
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "PostgreSQL ", *major, " is needed and not installed",
      seen.empty() ? "" : absl::StrCat(" (installed: ", absl::StrJoin(seen, ", "), ")")));
}

}  // namespace federity::embedded_postgres
