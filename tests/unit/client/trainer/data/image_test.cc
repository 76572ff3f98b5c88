#include <png.h>
#include <zlib.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

// It needs <cstdio> before it.
// clang-format off
#include <jpeglib.h>
// clang-format on

#include "client/trainer/data/examples.h"
#include "client/trainer/data/image_file.h"
#include "client/trainer/failure.h"
#include "tests/unit/client/trainer/testing.h"

namespace federity::trainer {
namespace {

std::string EncodePng(int width, int height, uint32_t format, const std::vector<uint8_t>& pixels) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<uint32_t>(width);
  image.height = static_cast<uint32_t>(height);
  image.format = format;
  png_alloc_size_t size = 0;
  png_image_write_to_memory(&image, nullptr, &size, 0, pixels.data(), 0, nullptr);
  std::string out(size, '\0');
  png_image_write_to_memory(&image, out.data(), &size, 0, pixels.data(), 0, nullptr);
  return out;
}

std::string EncodeJpeg(int width, int height, int channels, std::vector<uint8_t> pixels) {
  jpeg_compress_struct info = {};
  jpeg_error_mgr errors = {};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = channels;
  info.in_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  jpeg_start_compress(&info, TRUE);
  for (int y = 0; y < height; ++y) {
    JSAMPROW row = pixels.data() + y * width * channels;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string out(reinterpret_cast<char*>(buffer), size);
  std::free(buffer);
  return out;
}

// A PNG that says it is this large and holds nothing.
std::string LyingPng(uint32_t width, uint32_t height) {
  const auto be = [](uint32_t v) {
    return std::string{static_cast<char>(v >> 24), static_cast<char>(v >> 16),
                       static_cast<char>(v >> 8), static_cast<char>(v)};
  };
  const auto chunk = [&](const std::string& type_and_data) {
    const auto crc =
        static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(type_and_data.data()),
                                    static_cast<uInt>(type_and_data.size())));
    return be(static_cast<uint32_t>(type_and_data.size() - 4)) + type_and_data + be(crc);
  };
  return "\x89PNG\r\n\x1a\n" +
         chunk("IHDR" + be(width) + be(height) + std::string("\x08\x00\x00\x00\x00", 5)) +
         chunk("IDAT") + chunk("IEND");
}

std::string MessageOf(const std::string& bytes, const ImageShape& shape) {
  std::vector<uint8_t> pixels;
  return std::string(DecodeImage(bytes, shape, pixels).message());
}

TEST_CASE("PNG and JPEG become pixels, channel by channel") {
  std::vector<uint8_t> pixels;
  const std::vector<uint8_t> grey = {0, 50, 100, 150, 200, 250};
  REQUIRE(DecodeImage(EncodePng(3, 2, PNG_FORMAT_GRAY, grey), {1, 2, 3}, pixels).ok());
  CHECK(pixels == grey);
  REQUIRE(DecodeImage(EncodePng(2, 1, PNG_FORMAT_RGB, {1, 2, 3, 4, 5, 6}), {3, 1, 2}, pixels).ok());
  CHECK(pixels == std::vector<uint8_t>{1, 4, 2, 5, 3, 6});
  // Grey where colour is wanted, and a transparent pixel on black.
  REQUIRE(DecodeImage(EncodePng(2, 1, PNG_FORMAT_GRAY, {7, 9}), {3, 1, 2}, pixels).ok());
  CHECK(pixels == std::vector<uint8_t>{7, 9, 7, 9, 7, 9});
  REQUIRE(DecodeImage(EncodePng(1, 1, PNG_FORMAT_RGBA, {90, 90, 90, 0}), {1, 1, 1}, pixels).ok());
  CHECK(pixels == std::vector<uint8_t>{0});

  const std::vector<uint8_t> flat(8 * 8, 120);
  REQUIRE(DecodeImage(EncodeJpeg(8, 8, 1, flat), {1, 8, 8}, pixels).ok());
  CHECK(pixels == flat);
  REQUIRE(DecodeImage(EncodeJpeg(8, 8, 3, std::vector<uint8_t>(8 * 8 * 3, 120)), {1, 8, 8}, pixels)
              .ok());
  CHECK(pixels == flat);
}

TEST_CASE("A JPEG that was cut is refused, not filled in") {
  std::vector<uint8_t> noise(64 * 64);
  uint32_t state = 7;
  for (uint8_t& pixel : noise) pixel = static_cast<uint8_t>((state = state * 1664525 + 1) >> 24);
  const std::string jpeg = EncodeJpeg(64, 64, 1, noise);
  CHECK(MessageOf(jpeg, {1, 64, 64}).empty());
  for (const size_t kept : {jpeg.size() / 2, jpeg.size() - 100}) {
    CHECK_THAT(MessageOf(jpeg.substr(0, kept), {1, 64, 64}), Catch::Contains("a damaged JPEG"));
  }
}

TEST_CASE("An image of another size is refused before its pixels are allocated") {
  // 2^31-1 squared grey pixels would be 4 EiB.
  CHECK_THAT(MessageOf(LyingPng(60000, 60000), {1, 28, 28}), Catch::Contains("60000 by 60000"));
  CHECK_FALSE(MessageOf(LyingPng(0x7fffffff, 0x7fffffff), {1, 28, 28}).empty());
  std::string jpeg = EncodeJpeg(8, 8, 1, std::vector<uint8_t>(64, 1));
  const size_t frame = jpeg.find("\xff\xc0");
  REQUIRE(frame != std::string::npos);
  for (size_t i = 5; i < 9; ++i) jpeg[frame + i] = '\xfe';  // height and width 65278
  CHECK_THAT(MessageOf(jpeg, {1, 28, 28}), Catch::Contains("65278 by 65278"));
}

TEST_CASE("Damaged images are errors, wherever they are cut") {
  const std::string png = EncodePng(9, 9, PNG_FORMAT_GRAY, std::vector<uint8_t>(81, 7));
  const std::string jpeg = EncodeJpeg(9, 9, 3, std::vector<uint8_t>(243, 7));
  for (size_t n = 0; n < png.size() - 12; ++n) {  // the last chunk is empty
    CHECK_FALSE(MessageOf(png.substr(0, n), {1, 9, 9}).empty());
  }
  for (size_t n = 0; n < jpeg.size(); ++n) MessageOf(jpeg.substr(0, n), {3, 9, 9});
  CHECK_FALSE(MessageOf(jpeg.substr(0, 100), {3, 9, 9}).empty());
  for (size_t i = 0; i < jpeg.size(); ++i) {
    std::string flipped = jpeg;
    flipped[i] = static_cast<char>(flipped[i] ^ 0xff);
    MessageOf(flipped, {3, 9, 9});  // must only not crash
  }
  CHECK_THAT(MessageOf("GIF89a", {1, 1, 1}), Catch::Contains("neither PNG nor JPEG"));
}

TEST_CASE("An image folder is read class by class") {
  const testing::TemporaryFolder folder;
  const auto grey = [](uint8_t value) {
    return EncodePng(2, 2, PNG_FORMAT_GRAY, std::vector<uint8_t>(4, value));
  };
  folder.Write("b/2.png", grey(20));
  folder.Write("b/1.png", grey(10));
  folder.Write("a/x.png", grey(30));
  folder.Write(".hidden/y.png", "no");
  Plan plan;
  plan.data.kind = Plan::DataKind::kImages;
  plan.data.shape = {1, 2, 2};
  plan.data.classes = {"b", "a", "never seen"};
  plan.data.scale = 10;
  std::vector<DataSource> sources(1);
  sources[0].format = "image_folder";
  sources[0].folder = folder.path();
  const auto examples = LoadExamples(sources, plan, *InputTransform::Create(plan, {}, {}), {});
  REQUIRE(examples.ok());
  CHECK(examples->labels == std::vector<float>{0, 0, 1});
  CHECK(examples->values[0] == 1.0F);
  CHECK(examples->values[4] == 2.0F);
  CHECK(examples->values[8] == 3.0F);

  folder.Write("a/broken.png", grey(1).substr(0, 40));
  folder.Write("other/z.png", grey(1));
  const auto report = CheckSource(sources[0], plan, 20, {});
  REQUIRE(report.ok());
  CHECK(report->rows == 3);
  CHECK(report->class_counts == std::vector<int64_t>{2, 1, 0});
  REQUIRE(report->problems.size() == 2);
  CHECK(report->problems[0].column == "other");
  CHECK(report->problems[1].column == "a/broken.png");
}

}  // namespace
}  // namespace federity::trainer
