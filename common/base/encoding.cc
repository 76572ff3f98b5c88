#include "common/base/encoding.h"

#include <algorithm>

#include "absl/strings/escaping.h"

namespace federity {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// The length of the well-formed character that starts `text`, 0 if there is
// none (Unicode 15, table 3-7: no overlong forms, no surrogates).
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto in = [](unsigned char c, int low, int high) { return c >= low && c <= high; };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = in(first, 0xc2, 0xdf)   ? 2
                        : in(first, 0xe0, 0xef) ? 3
                        : in(first, 0xf0, 0xf4) ? 4
                                                : 0;
  if (length == 0 || text.size() < length) return 0;
  const int low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const int high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (!in(byte(1), low, high)) return 0;
  for (size_t i = 2; i < length; ++i)
    if (!in(byte(i), 0x80, 0xbf)) return 0;
  return length;
}

}  // namespace

std::string HexEncode(std::string_view bytes) {
  return absl::BytesToHexString({bytes.data(), bytes.size()});
}

std::optional<std::string> HexDecode(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = HexValue(text[i]);
    const int low = HexValue(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  return bytes;
}

std::string Base64UrlEncode(std::string_view bytes) {
  std::string text;
  absl::WebSafeBase64Escape({bytes.data(), bytes.size()}, &text);
  return text;
}

std::optional<std::string> Base64UrlDecode(std::string_view text) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape({text.data(), text.size()}, &bytes)) return std::nullopt;
  // Abseil skips white space and takes padding and stray last bits; one value
  // has one spelling here.
  if (Base64UrlEncode(bytes) != text) return std::nullopt;
  return bytes;
}

std::string BigEndian64(unsigned long long value) {
  std::string bytes(8, '\0');
  for (int i = 7; i >= 0; --i, value >>= 8) bytes[i] = static_cast<char>(value & 0xff);
  return bytes;
}

std::string ToValidUtf8(std::string_view text, size_t max_bytes) {
  std::string valid;
  valid.reserve(std::min(text.size(), max_bytes));
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (valid.size() + std::max<size_t>(length, 1) > max_bytes) break;
    if (length == 0) {
      valid.push_back('?');
      text.remove_prefix(1);
    } else {
      valid.append(text.substr(0, length));
      text.remove_prefix(length);
    }
  }
  return valid;
}

}  // namespace federity
