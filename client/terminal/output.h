#ifndef FEDERITY_CLIENT_TERMINAL_OUTPUT_H_
#define FEDERITY_CLIENT_TERMINAL_OUTPUT_H_

#include <istream>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/terminal/json.h"
#include "client/terminal/table.h"

namespace federity::terminal {

// Where a command reads and writes, and for whom. Results go to `out`, progress
// and questions to `err`. The streams must outlive it. Not thread-safe.
struct Output {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool json = false;             // machine-readable results
  bool in_is_terminal = false;   // may ask
  bool out_is_terminal = false;  // may move the cursor
  bool err_is_terminal = false;  // may draw progress bars
  int width = 80;                // columns of the terminal
  int height = 24;               // its lines

  // The process's own streams.
  static Output Standard();

  // A result for people, only without --json.
  void Text(std::string_view text);
  void Line(std::string_view line);
  // The table, or `empty` as a line where it has no rows.
  void Show(const Table& table, std::string_view empty);
  // A result for machines, only with --json: pretty on a terminal, one line
  // elsewhere.
  void Document(const Json& json);
  // A remark that is not part of the result.
  void Note(std::string_view line);
};

// Asks "question [y/N]". With `assume_yes` it is not asked. FAILED_PRECONDITION
// naming --yes when there is nobody to ask; CANCELLED for no.
absl::Status Confirm(Output& output, std::string_view question, bool assume_yes);

// The argument itself, or a line from standard input for "-" (so that a secret
// stands in no process list and no shell history).
absl::StatusOr<std::string> ArgumentOrInput(Output& output, std::string_view argument);

}  // namespace federity::terminal

#endif  // FEDERITY_CLIENT_TERMINAL_OUTPUT_H_
