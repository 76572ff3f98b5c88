#ifndef FEDERITY_CLIENT_TERMINAL_TEXT_H_
#define FEDERITY_CLIENT_TERMINAL_TEXT_H_

#include <string>
#include <string_view>

namespace federity::terminal {

// Text from elsewhere made safe to show: control characters and broken UTF-8
// become U+FFFD, so that no organisation's name or commit message can move the
// cursor, recolour or retitle a reader's terminal. Line feeds become spaces.
std::string Printable(std::string_view text);

// Resource names as people write them: "organizations/o/repositories/r/rounds/3"
// becomes "o/r/rounds/3" and "organizations/o" becomes "o", wherever they stand.
std::string ShortNames(std::string_view text);

// Columns that printable UTF-8 takes on a terminal: wide East Asian characters
// and emoji count two, combining marks none. An approximation that needs no
// locale.
int DisplayWidth(std::string_view text);

// At most `width` columns; what is cut ends in "…".
std::string Truncate(std::string_view text, int width);

}  // namespace federity::terminal

#endif  // FEDERITY_CLIENT_TERMINAL_TEXT_H_
