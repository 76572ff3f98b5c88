#include "server/app/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/crypto/aead.h"
#include "common/log/log.h"

namespace federity::app {
namespace {

absl::StatusOr<crypto::Secret> MakeKeyFile(const std::filesystem::path& path) {
  crypto::Secret key = crypto::RandomSecret(crypto::kAeadKeySize);
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(path.parent_path()));
  FEDERITY_RETURN_IF_ERROR(WriteFileAtomically(path, key.view(), 0600));
  log::Info("made the key file; back it up apart from the data directory",
            {{"path", path.string()}});
  return key;
}

}  // namespace

absl::StatusOr<crypto::Secret> LoadKeyFile(const std::filesystem::path& path, bool may_create) {
  const absl::StatusOr<FileDescriptor> file = OpenFile(path, O_RDONLY);
  if (absl::IsNotFound(file.status()) && may_create) return MakeKeyFile(path);
  if (absl::IsNotFound(file.status())) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the key file ", path.string(),
        " is missing, and the database holds secrets that only it opens; restore it from its "
        "backup (or from another replica), or name it with key_file"));
  }
  if (!file.ok()) return file.status();
  struct stat info;
  if (fstat(file->get(), &info) != 0) return ErrnoStatus(errno, path.string());
  if ((info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("others may read the key file ", path.string(), "; `chmod 600` it"));
  }
  if (info.st_size != static_cast<off_t>(crypto::kAeadKeySize)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the key file ", path.string(), " has ", info.st_size,
                     " bytes instead of 32; restore it from its backup"));
  }
  std::string bytes(crypto::kAeadKeySize, '\0');
  FEDERITY_RETURN_IF_ERROR(
      ReadFully(file->get(), bytes.data(), static_cast<int64_t>(bytes.size()), 0));
  crypto::Secret key(bytes);
  explicit_bzero(bytes.data(), bytes.size());
  return key;
}

}  // namespace federity::app
