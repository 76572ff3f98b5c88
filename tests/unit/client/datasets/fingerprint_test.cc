#include "client/datasets/fingerprint.h"

#include <catch2/catch.hpp>

#include "common/crypto/digest.h"
#include "tests/unit/client/temp_dir.h"

namespace federity::datasets {
namespace {

using testing::Pattern;
using testing::TempDir;

Source Csv(const std::filesystem::path& path) { return {.format = "csv", .path = path.string()}; }

TEST_CASE("A file's fingerprint is what sha256sum says", "[datasets]") {
  TempDir dir;
  const std::string content = Pattern((2 << 20) + 17);
  const auto fingerprint = TakeFingerprint(Csv(dir.Write("a.csv", content)));
  REQUIRE(fingerprint.ok());
  CHECK(fingerprint->digest == crypto::Sha256(content).ToString());
  CHECK(fingerprint->stamp == *TakeStamp(Csv(dir / "a.csv")));
}

TEST_CASE("Touching changes the stamp alone, writing the digest too", "[datasets]") {
  TempDir dir;
  const Source source = Csv(dir.Write("a.csv", "age\n1\n"));
  const Fingerprint before = *TakeFingerprint(source);
  std::filesystem::last_write_time(
      source.path, std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  const Fingerprint touched = *TakeFingerprint(source);
  CHECK(touched.stamp != before.stamp);
  CHECK(touched.digest == before.digest);
  dir.Write("a.csv", "age\n2\n");
  const Fingerprint written = *TakeFingerprint(source);
  CHECK(written.stamp != touched.stamp);
  CHECK(written.digest != before.digest);
}

TEST_CASE("A folder's fingerprint covers names, places and contents of its files", "[datasets]") {
  TempDir dir;
  dir.Write("set/cat/1.png", "a");
  dir.Write("set/dog/1.png", "b");
  const Source source{.format = "image_folder", .path = (dir / "set").string()};
  const std::string before = TakeFingerprint(source)->digest;
  CHECK(TakeFingerprint(source)->digest == before);
  SECTION("content") { dir.Write("set/dog/1.png", "c"); }
  SECTION("swapped contents") {
    dir.Write("set/cat/1.png", "b");
    dir.Write("set/dog/1.png", "a");
  }
  SECTION("a file more") { dir.Write("set/dog/2.png", ""); }
  SECTION("a file less") { std::filesystem::remove(dir / "set/dog/1.png"); }
  SECTION("another class") { std::filesystem::rename(dir / "set/dog", dir / "set/fox"); }
  CHECK(TakeFingerprint(source)->digest != before);
}

TEST_CASE("An IDX fingerprint covers images and labels, each in its place", "[datasets]") {
  TempDir dir;
  const auto a = dir.Write("a.idx", "images").string();
  const auto b = dir.Write("b.idx", "labels").string();
  const auto one = TakeFingerprint({.format = "idx", .path = a, .labels_path = b});
  const auto two = TakeFingerprint({.format = "idx", .path = b, .labels_path = a});
  REQUIRE(one.ok());
  CHECK(one->digest != two->digest);
}

TEST_CASE("Fingerprints of what is missing or no longer wanted", "[datasets]") {
  TempDir dir;
  CHECK(absl::IsNotFound(TakeFingerprint(Csv(dir / "missing.csv")).status()));
  CHECK(absl::IsNotFound(TakeStamp(Csv(dir / "missing.csv")).status()));
  CHECK(absl::IsCancelled(
      TakeFingerprint(Csv(dir.Write("a.csv", "a")), [] { return true; }).status()));
}

}  // namespace
}  // namespace federity::datasets
