#include "common/crypto/file_digest.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/base/files.h"

namespace federity::crypto {
namespace {

TEST_CASE("DigestFile reads a whole file, block by block", "[crypto]") {
  std::string pattern = (std::filesystem::temp_directory_path() / "federity-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  const std::filesystem::path folder = pattern;
  const auto size = GENERATE(size_t{0}, size_t{1}, size_t{1} << 20, (size_t{1} << 20) + 1);
  const std::string text(size, 'x');
  const std::filesystem::path file = folder / "file";
  std::ofstream(file, std::ios::binary) << text;

  std::string seen;
  const auto content = DigestFile(file, [&](std::string_view block) {
    seen.append(block);
    return absl::OkStatus();
  });
  REQUIRE(content.ok());
  CHECK(content->digest == Sha256(text));
  CHECK(content->bytes == static_cast<int64_t>(size));
  CHECK(seen == text);

  if (size > 0) {
    const auto stopped =
        DigestFile(file, [](std::string_view) { return absl::CancelledError("enough"); });
    CHECK(absl::IsCancelled(stopped.status()));
  }
  CHECK(absl::IsNotFound(DigestFile(folder / "none").status()));
  CHECK_FALSE(DigestFile(-1).ok());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace federity::crypto
