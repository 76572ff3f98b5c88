#include "common/base/encoding.h"

#include <catch2/catch.hpp>

namespace federity {
namespace {

TEST_CASE("Hexadecimal goes there and back, lower case only", "[base]") {
  CHECK(HexEncode(std::string("\x00\x7f\xff", 3)) == "007fff");
  CHECK(HexDecode("007fff") == std::string("\x00\x7f\xff", 3));
  CHECK(HexDecode("") == "");
  for (const char* bad : {"0", "0G", "AB", "a ", "0x", "é"}) CHECK_FALSE(HexDecode(bad));
}

TEST_CASE("Base64url has one spelling for one value", "[base]") {
  CHECK(Base64UrlEncode("") == "");
  CHECK(Base64UrlEncode("f") == "Zg");  // RFC 4648 §10
  CHECK(Base64UrlEncode("foobar") == "Zm9vYmFy");
  CHECK(Base64UrlEncode("\xfb\xff") == "-_8");
  CHECK(Base64UrlDecode("-_8") == "\xfb\xff");
  CHECK(Base64UrlDecode("") == "");
  // Padding, the other alphabet, white space, stray bits, a lone character.
  for (const char* bad : {"Zg==", "+/8", " Zg", "Zg\n", "Zh", "Z", "Zm9vYmFyZ", "Zm 9v"}) {
    INFO(bad);
    CHECK_FALSE(Base64UrlDecode(bad));
  }
}

TEST_CASE("Integers stand big endian", "[base]") {
  CHECK(HexEncode(BigEndian64(0)) == "0000000000000000");
  CHECK(HexEncode(BigEndian64(0x0102030405060708)) == "0102030405060708");
  CHECK(HexEncode(BigEndian64(~0ULL)) == "ffffffffffffffff");
}

TEST_CASE("Text becomes valid UTF-8 and is cut between characters", "[base]") {
  CHECK(ToValidUtf8("Jürgen", 100) == "Jürgen");
  CHECK(ToValidUtf8("Jürgen", 2) == "J");
  CHECK(ToValidUtf8("Jürgen", 3) == "Jü");
  CHECK(ToValidUtf8("a\xff z", 100) == "a? z");
  CHECK(ToValidUtf8("\xc0\x80", 100) == "??");          // overlong
  CHECK(ToValidUtf8("\xed\xa0\x80", 100) == "???");     // surrogate
  CHECK(ToValidUtf8("\xf4\x90\x80\x80", 9) == "????");  // beyond U+10FFFF
  CHECK(ToValidUtf8("😀", 4) == "😀");
  CHECK(ToValidUtf8("😀", 3).empty());
  CHECK(ToValidUtf8("\xe2\x82", 9) == "??");  // cut off
}

}  // namespace
}  // namespace federity
