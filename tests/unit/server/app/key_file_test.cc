#include "server/app/key_file.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "absl/strings/match.h"
#include "common/base/files.h"

namespace federity::app {
namespace {

namespace fs = std::filesystem;

class KeyFolder {
 public:
  KeyFolder() {
    std::string name = "/tmp/federity-key-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~KeyFolder() { fs::remove_all(folder_); }
  fs::path key() const { return folder_ / "data.key"; }

 private:
  fs::path folder_;
};

TEST_CASE("The key file is made once, private, and read again", "[app]") {
  const KeyFolder folder;
  const auto made = LoadKeyFile(folder.key(), /*may_create=*/true);
  REQUIRE(made.ok());
  CHECK(made->size() == 32);
  struct stat info;
  REQUIRE(stat(folder.key().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  const auto read = LoadKeyFile(folder.key(), /*may_create=*/false);
  REQUIRE(read.ok());
  CHECK(read->Equals(made->view()));
}

TEST_CASE("A missing key is not replaced once there are secrets", "[app]") {
  const KeyFolder folder;
  const absl::Status status = LoadKeyFile(folder.key(), /*may_create=*/false).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(), "backup"));
  CHECK_FALSE(fs::exists(folder.key()));
}

TEST_CASE("A key file of the wrong size or open to others is refused", "[app]") {
  const KeyFolder folder;
  REQUIRE(WriteFileAtomically(folder.key(), std::string(31, 'x')).ok());
  CHECK(absl::IsFailedPrecondition(LoadKeyFile(folder.key(), true).status()));
  REQUIRE(WriteFileAtomically(folder.key(), std::string(32, 'x'), 0640).ok());
  const absl::Status status = LoadKeyFile(folder.key(), true).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(absl::StrContains(status.message(), "chmod 600"));
}

}  // namespace
}  // namespace federity::app
