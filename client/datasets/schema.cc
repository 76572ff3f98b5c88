#include "client/datasets/schema.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::datasets {
namespace {

constexpr size_t kMaxHeaderBytes = 1 << 20;

absl::StatusOr<std::string> ReadHeaderLine(const std::string& path) {
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor file, OpenFile(path, O_RDONLY));
  std::string text;
  std::array<char, 4096> block;
  while (text.size() < kMaxHeaderBytes) {
    const ssize_t n = read(file.get(), block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, path);
    if (n == 0) break;
    text.append(block.data(), static_cast<size_t>(n));
    if (const size_t end = text.find('\n'); end != std::string::npos) {
      text.resize(end);
      break;
    }
  }
  if (!text.empty() && text.back() == '\r') text.pop_back();
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  if (text.empty() || text.size() >= kMaxHeaderBytes)
    return InvalidArgument("path",
                           StrCat("'", path, "' does not begin with a line of column names"));
  return text;
}

char DelimiterOf(std::string_view line) {
  std::array<std::pair<char, int>, 3> counts{{{',', 0}, {';', 0}, {'\t', 0}}};
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    for (auto& [delimiter, count] : counts)
      if (!quoted && c == delimiter) ++count;
  }
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

}  // namespace

std::vector<std::string> ParseHeaderLine(std::string_view line) {
  const char delimiter = DelimiterOf(line);
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == delimiter && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

absl::StatusOr<std::vector<std::string>> ReadSchema(const Source& source) {
  if (source.format == "csv") {
    FEDERITY_ASSIGN_OR_RETURN(const std::string line, ReadHeaderLine(source.path));
    return ParseHeaderLine(line);
  }
  std::vector<std::string> classes;
  if (source.format != "image_folder") return classes;
  std::error_code error;
  for (std::filesystem::directory_iterator at(source.path, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (at->is_directory(ignored)) classes.push_back(at->path().filename().string());
  }
  if (error) return ErrnoStatus(error.value(), source.path);
  std::sort(classes.begin(), classes.end());
  return classes;
}

}  // namespace federity::datasets
