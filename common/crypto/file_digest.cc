#include "common/crypto/file_digest.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"

namespace federity::crypto {

absl::StatusOr<FileContent> DigestFile(int fd,
                                       const std::function<absl::Status(std::string_view)>& use) {
  FileContent content;
  Sha256Hasher hasher;
  std::string buffer(1 << 20, '\0');
  while (true) {
    const ssize_t got = pread(fd, buffer.data(), buffer.size(), content.bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "reading a file");
    if (got == 0) break;
    const std::string_view block(buffer.data(), static_cast<size_t>(got));
    hasher.Update(block);
    if (use) FEDERITY_RETURN_IF_ERROR(use(block));
    content.bytes += got;
  }
  content.digest = hasher.Finish();
  return content;
}

absl::StatusOr<FileContent> DigestFile(const std::filesystem::path& file,
                                       const std::function<absl::Status(std::string_view)>& use) {
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor fd, OpenFile(file, O_RDONLY));
  absl::StatusOr<FileContent> content = DigestFile(fd.get(), use);
  if (content.ok()) return content;
  return Annotate(content.status(), file.string());
}

}  // namespace federity::crypto
