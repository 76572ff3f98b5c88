#include "server/maintenance/copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"

namespace federity::maintenance {

absl::StatusOr<crypto::FileContent> CopyFile(const std::filesystem::path& from,
                                             const std::filesystem::path& to) {
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor out, OpenFile(to, O_WRONLY | O_CREAT | O_EXCL));
  int64_t offset = 0;
  FEDERITY_ASSIGN_OR_RETURN(
      crypto::FileContent content, crypto::DigestFile(from, [&](std::string_view block) {
        const absl::Status written = WriteFully(out.get(), block, offset);
        offset += static_cast<int64_t>(block.size());
        return written.ok() ? written : Annotate(written, to.string());
      }));
  if (::fsync(out.get()) != 0) return ErrnoStatus(errno, to.string());
  return content;
}

}  // namespace federity::maintenance
