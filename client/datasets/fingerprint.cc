#include "client/datasets/fingerprint.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/file_digest.h"

namespace federity::datasets {
namespace {

// Every file of a data set, as its path and the name it has in the digest.
struct File {
  std::string path;
  std::string name;
};

absl::StatusOr<std::vector<File>> FilesOf(const Source& source) {
  if (source.format == "idx")
    return std::vector<File>{{source.path, "images"}, {source.labels_path, "labels"}};
  if (source.format == "csv") return std::vector<File>{{source.path, "rows"}};
  std::vector<File> files;
  std::error_code error;
  std::filesystem::recursive_directory_iterator at(source.path, error);
  for (; !error && at != std::filesystem::recursive_directory_iterator(); at.increment(error)) {
    std::error_code ignored;
    if (!at->is_regular_file(ignored)) continue;
    if (files.size() == kMaxFiles)
      return absl::ResourceExhaustedError(
          StrCat("'", source.path, "' has more than ", kMaxFiles, " files"));
    const std::string path = at->path().string();
    files.push_back({path, path.substr(source.path.size())});
  }
  if (error) return ErrnoStatus(error.value(), source.path);
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.name < b.name; });
  return files;
}

// Size and times; the time of the last status change too, because copying tools
// set the other one back.
absl::StatusOr<std::string> StampOf(const File& file) {
  struct stat info {};
  if (stat(file.path.c_str(), &info) != 0) return ErrnoStatus(errno, file.path);
  return StrCat(file.name, " ", info.st_size, " ", info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec,
                " ", info.st_ctim.tv_sec, ".", info.st_ctim.tv_nsec, "\n");
}

absl::StatusOr<std::string> StampOf(const std::vector<File>& files) {
  crypto::Sha256Hasher hasher;
  for (const File& file : files) {
    FEDERITY_ASSIGN_OR_RETURN(const std::string stamp, StampOf(file));
    hasher.Update(stamp);
  }
  return hasher.Finish().Hex();
}

}  // namespace

absl::StatusOr<std::string> TakeStamp(const Source& source) {
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<File> files, FilesOf(source));
  return StampOf(files);
}

absl::StatusOr<Fingerprint> TakeFingerprint(const Source& source,
                                            const std::function<bool()>& cancelled) {
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<File> files, FilesOf(source));
  Fingerprint fingerprint;
  FEDERITY_ASSIGN_OR_RETURN(fingerprint.stamp, StampOf(files));
  const auto go_on = [&](std::string_view) {
    return cancelled && cancelled() ? absl::CancelledError("reading the data set was stopped")
                                    : absl::OkStatus();
  };
  crypto::Sha256Hasher all;
  for (const File& file : files) {
    FEDERITY_ASSIGN_OR_RETURN(const crypto::FileContent content,
                              crypto::DigestFile(std::filesystem::path(file.path), go_on));
    all.Update(StrCat(file.name, " ", content.bytes, " ", content.digest.Hex(), "\n"));
    if (source.format == "csv") fingerprint.digest = content.digest.ToString();
  }
  if (fingerprint.digest.empty()) fingerprint.digest = all.Finish().ToString();
  FEDERITY_ASSIGN_OR_RETURN(const std::string after, TakeStamp(source));
  if (after != fingerprint.stamp)
    return absl::AbortedError(StrCat("'", source.path, "' changed while it was read; try again"));
  return fingerprint;
}

}  // namespace federity::datasets
