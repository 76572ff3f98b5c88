#include "common/base/utf8.h"

#include <algorithm>
#include <iterator>

namespace federity {

CodePoint DecodeUtf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return {};
  uint32_t value = first & (0xFFu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3Fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[size] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return {};
  return {value, size, true};
}

bool IsControl(uint32_t code_point) {
  struct Range {
    uint32_t low, high;
  };
  static constexpr Range kControls[] = {{0x00, 0x1F},       {0x7F, 0x9F},       {0xAD, 0xAD},
                                        {0x600, 0x605},     {0x61C, 0x61C},     {0x6DD, 0x6DD},
                                        {0x70F, 0x70F},     {0x890, 0x891},     {0x8E2, 0x8E2},
                                        {0x180E, 0x180E},   {0x200B, 0x200F},   {0x2028, 0x202E},
                                        {0x2060, 0x206F},   {0xFEFF, 0xFEFF},   {0xFFF9, 0xFFFB},
                                        {0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F},
                                        {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE007F}};
  return std::any_of(std::begin(kControls), std::end(kControls), [&](const Range& range) {
    return code_point >= range.low && code_point <= range.high;
  });
}

}  // namespace federity
