#ifndef FEDERITY_CLIENT_TRAINER_DATA_IMAGE_FILE_H_
#define FEDERITY_CLIENT_TRAINER_DATA_IMAGE_FILE_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace federity::trainer {

// What an image must be: channels 1 (grey) or 3 (RGB), and its exact size.
struct ImageShape {
  int64_t channels = 1;
  int64_t height = 0;
  int64_t width = 0;
};

// Decodes PNG or JPEG bytes, told apart by their first bytes, into 8-bit pixels,
// channel by channel ([C,H,W]). Colour is turned into grey and grey into colour
// where the shape wants it, transparency is put on black; EXIF rotation is not
// applied. Sizes are compared before anything is allocated for pixels.
// INVALID_ARGUMENT says what is wrong.
absl::Status DecodeImage(std::string_view bytes, const ImageShape& shape,
                         std::vector<uint8_t>& pixels);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_DATA_IMAGE_FILE_H_
