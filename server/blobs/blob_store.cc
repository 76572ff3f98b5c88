#include "server/blobs/blob_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/blobs/blob_format.h"
#include "server/blobs/blob_reader.h"
#include "server/blobs/blob_writer.h"

namespace federity::blobs {
namespace {

namespace fs = std::filesystem;

// Names become parts of paths; anything but a UUID stops here.
absl::Status CheckUuid(std::string_view text) {
  const bool ok = text.size() == 36 && std::all_of(text.begin(), text.end(), [](char c) {
                    return c == '-' || absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
                  });
  if (!ok) return absl::InvalidArgumentError("not a UUID in lower case");
  return absl::OkStatus();
}

absl::Status Unlink(const fs::path& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, path.string());
  return absl::OkStatus();
}

bool IsOlderThan(const fs::path& path, absl::Duration age) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 &&
         absl::TimeFromTimespec(info.st_mtim) <= absl::Now() - age;
}

// root/{repository}/sealed/{hex digest}, root/{repository}/partial/{upload}.
class DirectoryBlobStore final : public BlobStore {
 public:
  explicit DirectoryBlobStore(fs::path root) : root_(std::move(root)) {}

  absl::StatusOr<std::unique_ptr<BlobWriter>> OpenWriter(std::string_view repository,
                                                         std::string_view upload,
                                                         const crypto::Secret& key) override {
    FEDERITY_RETURN_IF_ERROR(CheckUuid(repository));
    FEDERITY_RETURN_IF_ERROR(CheckUuid(upload));
    if (!fs::is_directory(Sealed(repository)) || !fs::is_directory(Partial(repository))) {
      FEDERITY_RETURN_IF_ERROR(MakeDirectories(root_ / repository));
      FEDERITY_RETURN_IF_ERROR(MakeDirectories(Sealed(repository)));
      FEDERITY_RETURN_IF_ERROR(MakeDirectories(Partial(repository)));
      FEDERITY_RETURN_IF_ERROR(SyncDirectory(root_ / repository));
      FEDERITY_RETURN_IF_ERROR(SyncDirectory(root_));
    }
    return FileBlobWriter::Open(Partial(repository) / upload, Sealed(repository), key);
  }

  absl::StatusOr<std::unique_ptr<BlobReader>> OpenReader(std::string_view repository,
                                                         const crypto::Digest& address,
                                                         const crypto::Secret& key) override {
    FEDERITY_RETURN_IF_ERROR(CheckUuid(repository));
    return FileBlobReader::Open(Sealed(repository) / address.Hex(), address, key);
  }

  absl::StatusOr<fs::path> SealedFile(std::string_view repository,
                                      const crypto::Digest& address) const override {
    FEDERITY_RETURN_IF_ERROR(CheckUuid(repository));
    return Sealed(repository) / address.Hex();
  }

  bool Exists(std::string_view repository, const crypto::Digest& address) const override {
    std::error_code error;
    return CheckUuid(repository).ok() &&
           fs::is_regular_file(Sealed(repository) / address.Hex(), error);
  }

  int64_t PartialBytes(std::string_view repository, std::string_view upload) const override {
    struct stat info {};
    if (!CheckUuid(repository).ok() || !CheckUuid(upload).ok() ||
        stat((Partial(repository) / upload).c_str(), &info) != 0 || info.st_size < kHeaderBytes) {
      return 0;
    }
    return (info.st_size - kHeaderBytes) / kStoredFrameBytes * kFrameBytes;
  }

  absl::Status DeletePartial(std::string_view repository, std::string_view upload) override {
    FEDERITY_RETURN_IF_ERROR(CheckUuid(repository));
    FEDERITY_RETURN_IF_ERROR(CheckUuid(upload));
    return Unlink(Partial(repository) / upload);
  }

  absl::Status DeleteBlob(std::string_view repository, const crypto::Digest& address,
                          absl::Duration min_age) override {
    FEDERITY_RETURN_IF_ERROR(CheckUuid(repository));
    const fs::path path = Sealed(repository) / address.Hex();
    if (min_age > absl::ZeroDuration() && !IsOlderThan(path, min_age)) return absl::OkStatus();
    return Unlink(path);
  }

  absl::Status DeleteRepository(std::string_view repository) override {
    FEDERITY_RETURN_IF_ERROR(CheckUuid(repository));
    std::error_code error;
    if (fs::remove_all(root_ / repository, error) == 0 && !error) return absl::OkStatus();
    if (error) return ErrnoStatus(error.value(), (root_ / repository).string());
    return SyncDirectory(root_);
  }

  absl::StatusOr<std::vector<crypto::Digest>> ListSealed(std::string_view repository) override {
    FEDERITY_RETURN_IF_ERROR(CheckUuid(repository));
    FEDERITY_ASSIGN_OR_RETURN(std::vector<std::string> names, OldFiles(Sealed(repository)));
    std::vector<crypto::Digest> digests;
    for (const std::string& name : names) {
      absl::StatusOr<crypto::Digest> digest = crypto::ParseDigest(StrCat("sha256:", name));
      if (digest.ok()) digests.push_back(*digest);
    }
    return digests;
  }

  absl::StatusOr<std::vector<std::string>> ListPartial(std::string_view repository) override {
    FEDERITY_RETURN_IF_ERROR(CheckUuid(repository));
    return OldFiles(Partial(repository));
  }

 private:
  fs::path Sealed(std::string_view repository) const { return root_ / repository / "sealed"; }
  fs::path Partial(std::string_view repository) const { return root_ / repository / "partial"; }

  static absl::StatusOr<std::vector<std::string>> OldFiles(const fs::path& directory) {
    std::vector<std::string> names;
    std::error_code error;
    fs::directory_iterator entry(directory, error);
    if (error == std::errc::no_such_file_or_directory) return names;
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      if (IsOlderThan(entry->path(), kMinCollectAge)) names.push_back(entry->path().filename());
    }
    if (error) return ErrnoStatus(error.value(), directory.string());
    return names;
  }

  const fs::path root_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BlobStore>> BlobStore::Open(std::filesystem::path directory) {
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(directory));
  return std::make_unique<DirectoryBlobStore>(std::move(directory));
}

}  // namespace federity::blobs
