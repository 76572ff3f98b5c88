#ifndef FEDERITY_COMMON_BASE_UTF8_H_
#define FEDERITY_COMMON_BASE_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace federity {

// Text from peers and users, code point by code point. Free functions.

struct CodePoint {
  uint32_t value = 0;
  size_t size = 1;     // bytes
  bool valid = false;  // well-formed UTF-8 (RFC 3629); if not, one byte is to be skipped
};
// The first one; REQUIRES: the text is not empty.
CodePoint DecodeUtf8(std::string_view text);

// Unicode's Cc, Cf, Zl and Zp: what steers a terminal, breaks a line, or hides or
// reorders text so that it reads as another (Trojan Source, CVE-2021-42574).
bool IsControl(uint32_t code_point);

}  // namespace federity

#endif  // FEDERITY_COMMON_BASE_UTF8_H_
