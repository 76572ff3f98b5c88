#include "common/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "common/base/errors.h"
#include "common/base/strings.h"

namespace federity {
namespace {

namespace fs = std::filesystem;

// A folder of the test's own, removed at its end.
struct TemporaryFolder {
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "federity-files-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~TemporaryFolder() { fs::remove_all(path); }
  fs::path path;
};

mode_t ModeOf(const fs::path& path) {
  struct stat info = {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

std::vector<std::string> NamesIn(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  return names;
}

TEST_CASE("A file is written atomically, with its mode, and leaves nothing behind", "[base]") {
  const TemporaryFolder folder;
  const fs::path file = folder.path / "state";
  REQUIRE(WriteFileAtomically(file, "one").ok());
  CHECK(ModeOf(file) == 0600);
  REQUIRE(WriteFileAtomically(file, "two", 0644).ok());
  CHECK(ModeOf(file) == 0644);
  CHECK(*ReadFile(file, 100) == "two");
  CHECK(NamesIn(folder.path) == std::vector<std::string>{"state"});
}

TEST_CASE("A failed atomic write keeps the old file and removes the temporary one", "[base]") {
  const TemporaryFolder folder;
  const fs::path target = folder.path / "taken";
  fs::create_directory(target);  // rename onto a folder fails
  CHECK_FALSE(WriteFileAtomically(target, "x").ok());
  CHECK(fs::is_directory(target));
  CHECK(NamesIn(folder.path) == std::vector<std::string>{"taken"});
  CHECK(absl::IsNotFound(WriteFileAtomically(folder.path / "none" / "file", "x")));
}

TEST_CASE("Reading is bounded", "[base]") {
  const TemporaryFolder folder;
  const fs::path file = folder.path / "file";
  REQUIRE(WriteFileAtomically(file, std::string(1000, 'x')).ok());
  CHECK(ReadFile(file, 1000)->size() == 1000);
  const auto too_large = ReadFile(file, 999);
  CHECK(absl::IsInvalidArgument(too_large.status()));
  CHECK_THAT(std::string(too_large.status().message()), Catch::Contains("999"));
  CHECK(absl::IsNotFound(ReadFile(folder.path / "none", 10).status()));
  CHECK(absl::IsInvalidArgument(ReadFile("/dev/zero", 100'000).status()));
}

TEST_CASE("A full disk is STORAGE_FULL", "[base]") {
  const auto full = OpenFile("/dev/full", O_WRONLY);
  REQUIRE(full.ok());
  const absl::Status status = WriteFully(full->get(), "x", 0);
  CHECK(absl::IsResourceExhausted(status));
  CHECK(ReasonOf(status) == v1::ERROR_REASON_STORAGE_FULL);
  CHECK(ReasonOf(ErrnoStatus(EDQUOT, "x")) == v1::ERROR_REASON_STORAGE_FULL);
}

TEST_CASE("errno becomes a status that names what failed", "[base]") {
  CHECK(absl::IsNotFound(ErrnoStatus(ENOENT, "x")));
  CHECK(absl::IsPermissionDenied(ErrnoStatus(EACCES, "x")));
  CHECK(absl::IsPermissionDenied(ErrnoStatus(EROFS, "x")));
  CHECK(absl::IsInternal(ErrnoStatus(EIO, "x")));
  CHECK_THAT(std::string(ErrnoStatus(EIO, "write state").message()),
             Catch::StartsWith("write state: "));
}

TEST_CASE("Bytes are written and read at offsets", "[base]") {
  const TemporaryFolder folder;
  const auto file = OpenFile(folder.path / "file", O_RDWR | O_CREAT);
  REQUIRE(file.ok());
  CHECK((fcntl(file->get(), F_GETFD) & FD_CLOEXEC) != 0);
  REQUIRE(WriteFully(file->get(), "hello", 3).ok());
  std::string got(5, '\0');
  REQUIRE(ReadFully(file->get(), got.data(), 5, 3).ok());
  CHECK(got == "hello");
  CHECK(absl::IsOutOfRange(ReadFully(file->get(), got.data(), 5, 4)));
}

TEST_CASE("Folders are made, the last one with its mode", "[base]") {
  const TemporaryFolder folder;
  const fs::path deep = folder.path / "a" / "b" / "c";
  REQUIRE(MakeDirectories(deep, 0700).ok());
  CHECK(ModeOf(deep) == 0700);
  CHECK(MakeDirectories(deep).ok());
  CHECK(MakeDirectories(StrCat((folder.path / "d" / "").string())).ok());
  REQUIRE(WriteFileAtomically(folder.path / "file", "x").ok());
  CHECK_FALSE(MakeDirectories(folder.path / "file").ok());
  CHECK_FALSE(MakeDirectories(folder.path / "file" / "below").ok());
}

TEST_CASE("A lock is exclusive, names its holder and goes with it", "[base]") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "lock";
  {
    const auto lock = LockFile(path);
    REQUIRE(lock.ok());
    const auto second = LockFile(path);
    CHECK(absl::IsFailedPrecondition(second.status()));
    CHECK_THAT(std::string(second.status().message()), Catch::Contains(std::to_string(getpid())));
  }
  CHECK(LockFile(path).ok());
  CHECK(*ReadFile(path, 100) == std::to_string(getpid()) + "\n");
}

TEST_CASE("A descriptor closes once", "[base]") {
  int raw = -1;
  {
    FileDescriptor first = *OpenFile("/dev/null", O_RDONLY);
    raw = first.get();
    FileDescriptor second = std::move(first);
    CHECK_FALSE(first.valid());  // NOLINT(bugprone-use-after-move): what is tested
    CHECK(second.get() == raw);
    second = *OpenFile("/dev/zero", O_RDONLY);
  }
  CHECK(fcntl(raw, F_GETFD) == -1);
}

}  // namespace
}  // namespace federity
