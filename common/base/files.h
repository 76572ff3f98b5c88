#ifndef FEDERITY_COMMON_BASE_FILES_H_
#define FEDERITY_COMMON_BASE_FILES_H_

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace federity {

// An open file descriptor, closed on destruction. Movable, thread-compatible.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// errno as a status: NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED (ENOSPC,
// EDQUOT, with reason STORAGE_FULL), else INTERNAL; the message names `what`.
absl::Status ErrnoStatus(int error, std::string_view what);

// Opens with O_CLOEXEC.
absl::StatusOr<FileDescriptor> OpenFile(const std::filesystem::path& path, int flags,
                                        mode_t mode = 0600);

// The whole file; INVALID_ARGUMENT if it is larger than `max_bytes`.
absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path, int64_t max_bytes);

// Temporary file beside it, fsync, rename, fsync of the folder: after OK the
// new content is durable, after a crash either the old or the new one is there.
absl::Status WriteFileAtomically(const std::filesystem::path& path, std::string_view content,
                                 mode_t mode = 0600);

// Writes all of it at `offset`, over short writes and EINTR.
absl::Status WriteFully(int fd, std::string_view data, int64_t offset);
// Reads exactly `size` bytes at `offset`; OUT_OF_RANGE at an early end.
absl::Status ReadFully(int fd, char* data, int64_t size, int64_t offset);

// mkdir -p; the last folder gets `mode` if it is made.
absl::Status MakeDirectories(const std::filesystem::path& path, mode_t mode = 0700);

// fsync of a folder, so that a rename or unlink in it is durable.
absl::Status SyncDirectory(const std::filesystem::path& path);

// An exclusive flock on `path` (made if needed) that holds the pid of its
// holder. FAILED_PRECONDITION, naming the pid, while another process holds it.
absl::StatusOr<FileDescriptor> LockFile(const std::filesystem::path& path);

}  // namespace federity

#endif  // FEDERITY_COMMON_BASE_FILES_H_
