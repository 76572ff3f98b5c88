#include "client/trainer/data/image_file.h"

#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string>

// They need <cstdio> before them, and the first the second.
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::trainer {
namespace {

absl::Status CheckSize(const ImageShape& shape, int64_t width, int64_t height) {
  if (width == shape.width && height == shape.height) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat("is ", width, " by ", height, " pixels; the plan wants ",
                                           shape.width, " by ", shape.height));
}

// libpng's simplified interface keeps its longjmp inside.
absl::Status DecodePng(std::string_view bytes, const ImageShape& shape, std::vector<uint8_t>& out) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) {
    return absl::InvalidArgumentError(StrCat("not a readable PNG: ", image.message));
  }
  if (absl::Status status = CheckSize(shape, image.width, image.height); !status.ok()) {
    png_image_free(&image);
    return status;
  }
  image.format = shape.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  out.resize(PNG_IMAGE_SIZE(image));
  const png_color black = {0, 0, 0};
  if (png_image_finish_read(&image, &black, out.data(), 0, nullptr) == 0) {
    return absl::InvalidArgumentError(StrCat("a damaged PNG: ", image.message));
  }
  return absl::OkStatus();
}

struct JpegErrors {
  jpeg_error_mgr base;  // first: libjpeg knows only this
  jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void OnJpegError(j_common_ptr info) {
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  info->err->format_message(info, errors->message);
  longjmp(errors->escape, 1);
}
void IgnoreJpegMessage(j_common_ptr) {}

// Where pixels are missing libjpeg warns and makes some up.
void OnJpegWarning(j_common_ptr info, int level) {
  if (level >= 0) return;  // a trace message
  switch (info->err->msg_code) {
    case JWRN_ARITH_BAD_CODE:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
      OnJpegError(info);
    default:
      return;
  }
}

// Everything below the setjmp is plain data, so that longjmp skips no
// destructor. `out` has width · height · channels bytes. False: see errors.message,
// or the sizes differ.
bool ReadJpeg(std::string_view bytes, const ImageShape& shape, JpegErrors& errors, int64_t size[2],
              uint8_t* out) {
  jpeg_decompress_struct info = {};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = OnJpegError;
  errors.base.emit_message = OnJpegWarning;
  errors.base.output_message = IgnoreJpegMessage;
  if (setjmp(errors.escape) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&info, TRUE);
  size[0] = info.image_width;
  size[1] = info.image_height;
  const bool fits = size[0] == shape.width && size[1] == shape.height;
  if (fits) {
    info.out_color_space = shape.channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    info.dct_method = JDCT_ISLOW;  // the exact one: equal pixels on every machine
    jpeg_start_decompress(&info);
    const auto stride = static_cast<size_t>(shape.width * shape.channels);
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = out + info.output_scanline * stride;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
  }
  jpeg_destroy_decompress(&info);
  return fits;
}

absl::Status DecodeJpeg(std::string_view bytes, const ImageShape& shape,
                        std::vector<uint8_t>& out) {
  out.resize(static_cast<size_t>(shape.channels * shape.height * shape.width));
  JpegErrors errors = {};
  int64_t size[2] = {-1, -1};
  if (ReadJpeg(bytes, shape, errors, size, out.data())) return absl::OkStatus();
  if (size[0] >= 0) FEDERITY_RETURN_IF_ERROR(CheckSize(shape, size[0], size[1]));
  return absl::InvalidArgumentError(StrCat("a damaged JPEG: ", errors.message));
}

// [H,W,C] to [C,H,W].
void SeparateChannels(const ImageShape& shape, std::vector<uint8_t>& pixels) {
  if (shape.channels == 1) return;
  const std::vector<uint8_t> interleaved = pixels;
  const auto plane = static_cast<size_t>(shape.height * shape.width);
  const auto channels = static_cast<size_t>(shape.channels);
  for (size_t i = 0; i < plane; ++i) {
    for (size_t c = 0; c < channels; ++c) pixels[c * plane + i] = interleaved[i * channels + c];
  }
}

}  // namespace

absl::Status DecodeImage(std::string_view bytes, const ImageShape& shape,
                         std::vector<uint8_t>& pixels) {
  if (bytes.starts_with("\x89PNG")) {
    FEDERITY_RETURN_IF_ERROR(DecodePng(bytes, shape, pixels));
  } else if (bytes.starts_with("\xFF\xD8\xFF")) {
    FEDERITY_RETURN_IF_ERROR(DecodeJpeg(bytes, shape, pixels));
  } else {
    return absl::InvalidArgumentError("is neither PNG nor JPEG");
  }
  SeparateChannels(shape, pixels);
  return absl::OkStatus();
}

}  // namespace federity::trainer
