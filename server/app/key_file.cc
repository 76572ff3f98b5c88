#include "server/app/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/crypto/aead.h"
#include "common/log/log.h"
#include "server/membership/certificate_authority.h"

namespace federity::app {
namespace {

namespace fs = std::filesystem;

fs::path NewFile(fs::path path) { return path += ".new"; }

absl::StatusOr<crypto::Secret> MakeKeyFile(const fs::path& path) {
  crypto::Secret key = crypto::RandomSecret(crypto::kAeadKeySize);
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(path.parent_path()));
  FEDERITY_RETURN_IF_ERROR(WriteFileAtomically(path, key.view(), 0600));
  log::Info("made the key file; back it up apart from the data directory",
            {{"path", path.string()}});
  return key;
}

// REQUIRES: the database holds secrets.
bool Opens(const fs::path& path, store::Database& database, const Clock& clock) {
  const absl::StatusOr<crypto::Secret> key = LoadKeyFile(path, /*may_create=*/false);
  return key.ok() && membership::CertificateAuthority::LoadOrCreate(database, *key, clock).ok();
}

}  // namespace

absl::StatusOr<crypto::Secret> LoadKeyFile(const fs::path& path, bool may_create) {
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

absl::Status WriteNewKeyFile(const fs::path& path, const crypto::Secret& key) {
  FEDERITY_RETURN_IF_ERROR(WriteFileAtomically(NewFile(path), key.view(), 0600));
  // Run by root, it stays the file of the user that the coordinator runs as.
  struct stat old;
  if (stat(path.c_str(), &old) != 0) return ErrnoStatus(errno, path.string());
  if (chown(NewFile(path).c_str(), old.st_uid, old.st_gid) != 0) {
    return ErrnoStatus(errno, NewFile(path).string());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<fs::path>> FinishKeyRotation(const fs::path& path,
                                                          store::Database& database,
                                                          const Clock& clock) {
  std::error_code error;
  if (!fs::exists(NewFile(path), error)) return std::nullopt;
  if (!Opens(NewFile(path), database, clock)) {
    // The database may be out of reach: only what is certainly of no use goes.
    if (Opens(path, database, clock)) fs::remove(NewFile(path), error);
    return std::nullopt;
  }
  fs::path kept = path;
  kept += absl::FormatTime(".old-%Y%m%dT%H%M%SZ", clock.Now(), absl::UTCTimeZone());
  // Not a rename: KEY is there at every moment, the old one or the new one.
  if (fs::exists(path, error) && ::link(path.c_str(), kept.c_str()) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, kept.string());
  }
  fs::rename(NewFile(path), path, error);
  if (error) return ErrnoStatus(error.value(), path.string());
  FEDERITY_RETURN_IF_ERROR(SyncDirectory(path.parent_path()));
  log::Info("the key file was changed", {{"path", path.string()}, {"old", kept.string()}});
  return kept;
}

}  // namespace federity::app
