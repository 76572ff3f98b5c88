#include "common/base/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "absl/strings/ascii.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity {
namespace {

absl::Status Sync(int fd, std::string_view what) {
  return fsync(fd) == 0 ? absl::OkStatus() : ErrnoStatus(errno, StrCat("sync ", what));
}

std::filesystem::path ParentOf(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Fills the temporary file and puts it in the place of `path`.
absl::Status FillAndRename(int fd, const std::string& temporary, const std::filesystem::path& path,
                           std::string_view content, mode_t mode) {
  if (fchmod(fd, mode) != 0) return ErrnoStatus(errno, StrCat("chmod ", temporary));
  FEDERITY_RETURN_IF_ERROR(Annotate(WriteFully(fd, content, 0), temporary));
  FEDERITY_RETURN_IF_ERROR(Sync(fd, temporary));
  if (rename(temporary.c_str(), path.c_str()) != 0)
    return ErrnoStatus(errno, StrCat("rename ", temporary, " to ", path.string()));
  return SyncDirectory(ParentOf(path));
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

absl::Status ErrnoStatus(int error, std::string_view what) {
  const std::string message = StrCat(what, ": ", std::generic_category().message(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
      return Error(v1::ERROR_REASON_STORAGE_FULL, message);
    default:
      return absl::InternalError(message);
  }
}

absl::StatusOr<FileDescriptor> OpenFile(const std::filesystem::path& path, int flags, mode_t mode) {
  int fd;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return ErrnoStatus(errno, StrCat("open ", path.string()));
  return FileDescriptor(fd);
}

absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path, int64_t max_bytes) {
  FEDERITY_ASSIGN_OR_RETURN(FileDescriptor file, OpenFile(path, O_RDONLY));
  // Reads until the end rather than trusting st_size: /proc and pipes have none.
  std::string content;
  char buffer[65536];
  while (true) {
    const ssize_t got = read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, StrCat("read ", path.string()));
    if (got == 0) return content;
    if (static_cast<int64_t>(content.size()) + got > max_bytes)
      return InvalidArgument("file", StrCat(path.string(), " has more than ", max_bytes,
                                            " bytes, which is the most allowed here"));
    content.append(buffer, static_cast<size_t>(got));
  }
}

absl::Status WriteFileAtomically(const std::filesystem::path& path, std::string_view content,
                                 mode_t mode) {
  std::string temporary = StrCat(path.string(), ".tmp-XXXXXX");
  const FileDescriptor file(mkostemp(temporary.data(), O_CLOEXEC));
  if (!file.valid()) return ErrnoStatus(errno, StrCat("create ", temporary));
  absl::Status status = FillAndRename(file.get(), temporary, path, content, mode);
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

absl::Status WriteFully(int fd, std::string_view data, int64_t offset) {
  while (!data.empty()) {
    const ssize_t written = pwrite(fd, data.data(), data.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write");
    data.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
  return absl::OkStatus();
}

absl::Status ReadFully(int fd, char* data, int64_t size, int64_t offset) {
  while (size > 0) {
    const ssize_t got = pread(fd, data, static_cast<size_t>(size), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read");
    if (got == 0)
      return absl::OutOfRangeError(
          StrCat("the file ends at byte ", offset, ", ", size, " bytes too early"));
    data += got;
    size -= got;
    offset += got;
  }
  return absl::OkStatus();
}

absl::Status MakeDirectories(const std::filesystem::path& path, mode_t mode) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return absl::OkStatus();
  const std::filesystem::path parent = path.parent_path();
  if (!parent.empty() && parent != path) {
    std::filesystem::create_directories(parent, error);
    if (error) return ErrnoStatus(error.value(), StrCat("make folder ", parent.string()));
  }
  // A trailing slash gives an empty file name, and then the folder exists now.
  if (mkdir(path.c_str(), mode) != 0) {
    const int reason = errno;
    if (std::filesystem::is_directory(path, error)) return absl::OkStatus();
    return ErrnoStatus(reason, StrCat("make folder ", path.string()));
  }
  return absl::OkStatus();
}

absl::Status SyncDirectory(const std::filesystem::path& path) {
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor folder, OpenFile(path, O_RDONLY | O_DIRECTORY));
  return Sync(folder.get(), path.string());
}

absl::StatusOr<FileDescriptor> LockFile(const std::filesystem::path& path) {
  FEDERITY_ASSIGN_OR_RETURN(FileDescriptor file, OpenFile(path, O_RDWR | O_CREAT));
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoStatus(errno, StrCat("lock ", path.string()));
    char holder[32] = {};
    const ssize_t got = pread(file.get(), holder, sizeof holder - 1, 0);
    const absl::string_view pid = absl::StripAsciiWhitespace(
        absl::string_view(holder, got > 0 ? static_cast<size_t>(got) : 0));
    return absl::FailedPreconditionError(
        StrCat(path.string(), " is locked by process ", pid.empty() ? "(unknown)" : pid));
  }
  const std::string pid = StrCat(getpid(), "\n");
  if (ftruncate(file.get(), 0) != 0) return ErrnoStatus(errno, StrCat("lock ", path.string()));
  FEDERITY_RETURN_IF_ERROR(Annotate(WriteFully(file.get(), pid, 0), path.string()));
  return file;
}

}  // namespace federity
