#include "server/maintenance/copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::maintenance {
namespace {

constexpr size_t kBlockBytes = 1 << 20;

absl::StatusOr<FileContent> ForEachBlock(const std::filesystem::path& file,
                                         const std::function<absl::Status(std::string_view)>& use) {
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor in, OpenFile(file, O_RDONLY));
  FileContent content;
  crypto::Sha256Hasher hasher;
  std::string block(kBlockBytes, '\0');
  while (true) {
    const ssize_t got = ::read(in.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, file.string());
    if (got == 0) break;
    const std::string_view data(block.data(), static_cast<size_t>(got));
    hasher.Update(data);
    FEDERITY_RETURN_IF_ERROR(use(data));
    content.bytes += got;
  }
  content.digest = hasher.Finish();
  return content;
}

}  // namespace

absl::StatusOr<FileContent> CopyFile(const std::filesystem::path& from,
                                     const std::filesystem::path& to) {
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor out, OpenFile(to, O_WRONLY | O_CREAT | O_EXCL));
  int64_t offset = 0;
  FEDERITY_ASSIGN_OR_RETURN(FileContent content, ForEachBlock(from, [&](std::string_view block) {
                              const absl::Status written = WriteFully(out.get(), block, offset);
                              offset += static_cast<int64_t>(block.size());
                              return written.ok() ? written : Annotate(written, to.string());
                            }));
  if (::fsync(out.get()) != 0) return ErrnoStatus(errno, to.string());
  return content;
}

absl::StatusOr<FileContent> ReadContent(const std::filesystem::path& file) {
  return ForEachBlock(file, [](std::string_view) { return absl::OkStatus(); });
}

}  // namespace federity::maintenance
