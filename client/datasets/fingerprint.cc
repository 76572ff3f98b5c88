#include "client/datasets/fingerprint.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/digest.h"

namespace federity::datasets {
namespace {

constexpr int64_t kBlockBytes = 1 << 20;

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

struct Content {
  crypto::Digest digest;
  int64_t size = 0;
};

absl::StatusOr<Content> ReadContent(const File& file, std::string& block,
                                    const std::function<bool()>& cancelled) {
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor fd, OpenFile(file.path, O_RDONLY));
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, file.path);
  crypto::Sha256Hasher hasher;
  for (int64_t at = 0; at < info.st_size;) {
    if (cancelled && cancelled()) return absl::CancelledError("reading the data set was stopped");
    const int64_t n = std::min<int64_t>(kBlockBytes, info.st_size - at);
    if (!ReadFully(fd.get(), block.data(), n, at).ok())
      return absl::AbortedError(StrCat("'", file.path, "' changed while it was read; try again"));
    hasher.Update(std::string_view(block).substr(0, static_cast<size_t>(n)));
    at += n;
  }
  return Content{hasher.Finish(), info.st_size};
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
  std::string block(kBlockBytes, '\0');
  crypto::Sha256Hasher all;
  for (const File& file : files) {
    FEDERITY_ASSIGN_OR_RETURN(const Content content, ReadContent(file, block, cancelled));
    all.Update(StrCat(file.name, " ", content.size, " ", content.digest.Hex(), "\n"));
    if (source.format == "csv") fingerprint.digest = content.digest.ToString();
  }
  if (fingerprint.digest.empty()) fingerprint.digest = all.Finish().ToString();
  FEDERITY_ASSIGN_OR_RETURN(const std::string after, TakeStamp(source));
  if (after != fingerprint.stamp)
    return absl::AbortedError(StrCat("'", source.path, "' changed while it was read; try again"));
  return fingerprint;
}

}  // namespace federity::datasets
