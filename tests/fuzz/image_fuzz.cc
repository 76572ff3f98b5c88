#include "client/trainer/data/image_file.h"
#include "tests/fuzz/fuzz_target.h"

namespace federity::trainer {

FUZZ_TARGET(image) {
  for (const int64_t channels : {1, 3}) {
    const ImageShape shape{channels, 3, 4};
    std::vector<uint8_t> pixels;
    std::vector<uint8_t> again(3, 7);  // what a caller left there
    const bool ok = DecodeImage(input, shape, pixels).ok();
    FUZZ_CHECK(DecodeImage(input, shape, again).ok() == ok);
    FUZZ_CHECK(pixels.size() <= static_cast<size_t>(channels) * 12);
    if (ok) FUZZ_CHECK(pixels.size() == static_cast<size_t>(channels) * 12 && pixels == again);
  }
}

}  // namespace federity::trainer
