#include "client/datasets/source.h"

#include <catch2/catch.hpp>

#include "tests/unit/client/temp_dir.h"

namespace federity::datasets {
namespace {

using testing::TempDir;

TEST_CASE("DetectFormat goes by name and kind of file", "[datasets]") {
  TempDir dir;
  CHECK(*DetectFormat(dir.path()) == "image_folder");
  CHECK(*DetectFormat("/data/patients.csv") == "csv");
  CHECK(*DetectFormat("/data/PATIENTS.CSV") == "csv");
  CHECK(*DetectFormat("/data/train-images-idx3-ubyte") == "idx");
  CHECK(*DetectFormat("/data/train-images-idx3-ubyte.gz") == "idx");
  CHECK(*DetectFormat("/data/images.idx") == "idx");
  CHECK_THAT(std::string(DetectFormat(dir.Write("patients.xlsx", "x")).status().message()),
             Catch::Contains("--format"));
  CHECK_THAT(std::string(DetectFormat(dir / "missing").status().message()),
             Catch::Contains("there is no"));
}

TEST_CASE("CheckReadable says what does not fit", "[datasets]") {
  TempDir dir;
  const std::string file = dir.Write("a.csv", "a").string();
  CHECK(CheckReadable({.format = "csv", .path = file}).ok());
  CHECK(CheckReadable({.format = "idx", .path = file, .labels_path = file}).ok());
  CHECK(CheckReadable({.format = "image_folder", .path = dir.path().string()}).ok());
  CHECK(absl::IsNotFound(CheckReadable({.format = "csv", .path = (dir / "b").string()})));
  CHECK_FALSE(CheckReadable({.format = "idx", .path = file}).ok());
  CHECK_FALSE(CheckReadable({.format = "csv", .path = file, .labels_path = file}).ok());
  CHECK_FALSE(CheckReadable({.format = "image_folder", .path = file}).ok());
  CHECK_FALSE(CheckReadable({.format = "csv", .path = dir.path().string()}).ok());
  CHECK_FALSE(CheckReadable({.format = "xlsx", .path = file}).ok());
  CHECK_FALSE(CheckReadable({.format = "csv", .path = "/dev/zero"}).ok());
}

}  // namespace
}  // namespace federity::datasets
