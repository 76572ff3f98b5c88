#ifndef FEDERITY_CLIENT_TERMINAL_COMMAND_LINE_H_
#define FEDERITY_CLIENT_TERMINAL_COMMAND_LINE_H_

#include <CLI/CLI.hpp>
#include <ostream>

namespace federity::terminal {

// What there is to say when parsing ended: help or version on `out`, a mistake on
// `err`, naming a word that is no command. Returns the exit status, 0 or 2.
int ExitOf(const CLI::App& app, const CLI::ParseError& error, std::ostream& out, std::ostream& err);

}  // namespace federity::terminal

#endif  // FEDERITY_CLIENT_TERMINAL_COMMAND_LINE_H_
