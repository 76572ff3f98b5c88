#include "client/terminal/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>

#include "absl/strings/ascii.h"
#include "client/terminal/text.h"
#include "common/base/errors.h"
#include "common/base/strings.h"

namespace federity::terminal {
namespace {

constexpr size_t kMaxLine = 64 << 10;

// At most kMaxLine bytes of the next line.
std::string ReadLine(std::istream& in) {
  std::string line;
  for (int c = in.get(); c != std::istream::traits_type::eof() && c != '\n'; c = in.get()) {
    if (line.size() < kMaxLine) line += static_cast<char>(c);
  }
  return std::string(ToStd(absl::StripAsciiWhitespace(line)));
}

}  // namespace

Output Output::Standard() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return Output{.in = std::cin,
                .out = std::cout,
                .err = std::cerr,
                .in_is_terminal = ::isatty(STDIN_FILENO) == 1,
                .out_is_terminal = ::isatty(STDOUT_FILENO) == 1,
                .err_is_terminal = ::isatty(STDERR_FILENO) == 1,
                .width = known ? size.ws_col : 80,
                .height = known ? size.ws_row : 24};
}

void Output::Text(std::string_view text) {
  if (!json) out << text << std::flush;
}

void Output::Line(std::string_view line) {
  if (!json) out << line << '\n' << std::flush;
}

void Output::Show(const Table& table, std::string_view empty) {
  if (table.empty()) {
    Line(empty);
  } else {
    Text(table.ToString());
  }
}

void Output::Document(const Json& document) {
  if (json) out << Dump(document, out_is_terminal) << '\n' << std::flush;
}

void Output::Note(std::string_view line) { err << line << '\n' << std::flush; }

absl::Status Confirm(Output& output, std::string_view question, bool assume_yes) {
  if (assume_yes) return absl::OkStatus();
  if (!output.in_is_terminal) {
    return absl::FailedPreconditionError(StrCat("nobody is here to be asked '", Printable(question),
                                                "'; add --yes if that is what you want"));
  }
  output.err << Printable(question) << " [y/N] " << std::flush;
  const std::string answer = ReadLine(output.in);
  if (answer == "y" || answer == "Y" || answer == "yes") return absl::OkStatus();
  return absl::CancelledError("not confirmed; nothing was done");
}

absl::StatusOr<std::string> ArgumentOrInput(Output& output, std::string_view argument) {
  if (argument != "-") return std::string(argument);
  if (output.in_is_terminal) output.err << "Paste the link: " << std::flush;
  std::string line = ReadLine(output.in);
  if (line.empty()) return InvalidArgument("link", "standard input holds no line");
  return line;
}

}  // namespace federity::terminal
