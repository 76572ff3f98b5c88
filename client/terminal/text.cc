#include "client/terminal/text.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "common/base/utf8.h"

namespace federity::terminal {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

struct Range {
  uint32_t low, high;
};

bool In(uint32_t value, const Range* begin, const Range* end) {
  return std::any_of(begin, end, [&](const Range& r) { return value >= r.low && value <= r.high; });
}

// Unicode's East Asian Width W and F, and Mn, in coarse blocks.
int Width(uint32_t value) {
  constexpr Range kCombining[] = {
      {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A}, {0x064B, 0x065F},
      {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};
  constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},  {0x3041, 0xA4CF},
                             {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},  {0xFE30, 0xFE6F},
                             {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},  {0x1F300, 0x1F64F},
                             {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
  if (In(value, std::begin(kCombining), std::end(kCombining))) return 0;
  return In(value, std::begin(kWide), std::end(kWide)) ? 2 : 1;
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    if (point.valid && (point.value == '\n' || point.value == '\t')) {
      out += ' ';
    } else if (!point.valid || IsControl(point.value)) {
      out += kReplacement;
    } else {
      out += text.substr(0, point.size);
    }
    text.remove_prefix(point.size);
  }
  return out;
}

std::string ShortNames(std::string_view text) {
  constexpr std::string_view kWords[] = {"organizations/", "/repositories/"};
  std::string result;
  while (true) {
    const size_t at = text.find(kWords[0]);
    result.append(text.substr(0, at));
    if (at == text.npos) return result;
    text.remove_prefix(at + kWords[0].size());
    if (const size_t id = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-");
        id != text.npos && text.substr(id).starts_with(kWords[1])) {
      result.append(text.substr(0, id)).append("/");
      text.remove_prefix(id + kWords[1].size());
    }
  }
}

int DisplayWidth(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    width += point.valid ? Width(point.value) : 1;
    text.remove_prefix(point.size);
  }
  return width;
}

std::string Truncate(std::string_view text, int width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width < 1) return {};
  size_t end = 0;
  int used = 0;
  while (end < text.size()) {
    const CodePoint point = DecodeUtf8(text.substr(end));
    const int next = point.valid ? Width(point.value) : 1;
    if (used + next > width - 1) break;
    used += next;
    end += point.size;
  }
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace federity::terminal
