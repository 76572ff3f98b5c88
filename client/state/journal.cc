#include "client/state/journal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "client/state/json_reader.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/log/log.h"

namespace federity::state {
namespace {

using nlohmann::json;

std::filesystem::path Older(const std::filesystem::path& file) { return file.string() + ".1"; }

absl::Status AppendLine(const std::filesystem::path& file, const std::string& line,
                        int64_t max_bytes) {
  struct stat info {};
  if (stat(file.c_str(), &info) == 0 &&
      info.st_size + static_cast<int64_t>(line.size()) > max_bytes &&
      rename(file.c_str(), Older(file).c_str()) != 0)
    return ErrnoStatus(errno, file.string());
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor fd, OpenFile(file, O_WRONLY | O_CREAT));
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, file.string());
  return WriteFully(fd.get(), line, info.st_size);
}

}  // namespace

void Journal::Append(std::string_view event, std::string_view repository, std::string_view text) {
  const json entry = {{"time", TimeText(clock_.Now())},
                      {"event", event},
                      {"repository", repository},
                      {"text", text.substr(0, 2000)}};
  const std::string line = entry.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  log::Info(std::string(event),
            {{"repository", std::string(repository)}, {"text", std::string(text.substr(0, 2000))}});
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = AppendLine(file_, line, max_bytes_); !status.ok())
    log::Warning("the journal was not written", {{"error", std::string(status.message())}});
}

std::vector<json> Journal::Tail(size_t count) const {
  std::string text;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& file : {Older(file_), file_})
      text += ReadFile(file, 2 * max_bytes_).value_or("");
  }
  std::vector<json> entries;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    absl::StatusOr<json> entry = ParseJsonObject(ToStd(line));
    if (entry.ok()) entries.push_back(*std::move(entry));
  }
  if (entries.size() > count)
    entries.erase(entries.begin(), entries.end() - static_cast<std::ptrdiff_t>(count));
  return entries;
}

}  // namespace federity::state
