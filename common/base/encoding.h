#ifndef FEDERITY_COMMON_BASE_ENCODING_H_
#define FEDERITY_COMMON_BASE_ENCODING_H_

#include <optional>
#include <string>
#include <string_view>

namespace federity {

// Lower-case hexadecimal. Decoding refuses odd lengths and other characters.
std::string HexEncode(std::string_view bytes);
std::optional<std::string> HexDecode(std::string_view text);

// RFC 4648 §5 without padding. Decoding refuses anything not canonical.
std::string Base64UrlEncode(std::string_view bytes);
std::optional<std::string> Base64UrlDecode(std::string_view text);

// 8 bytes, big endian: how integers stand in everything we sign or hash.
std::string BigEndian64(unsigned long long value);

// At most `max_bytes` of the text, cut between characters; bytes that are not
// UTF-8 become '?'. protobuf refuses to parse strings that are not UTF-8.
std::string ToValidUtf8(std::string_view text, size_t max_bytes);

}  // namespace federity

#endif  // FEDERITY_COMMON_BASE_ENCODING_H_
