#ifndef FEDERITY_CLIENT_CLI_APP_H_
#define FEDERITY_CLIENT_CLI_APP_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/cli_context.h"
#include "client/terminal/output.h"

namespace federity::cli {

// Parses the arguments (without the program's name) and runs the command.
// `run` gets the chosen command and calls it with a context of its making; it
// is not called for --help, --version and usage errors.
// Returns the exit status: 0, 1 for an error, 2 for a wrong command line, 130
// when interrupted.
using ChosenCommand = std::function<absl::StatusOr<int>(CliContext&)>;
int RunCommandLine(const std::vector<std::string>& arguments, terminal::Output& output,
                   const std::function<absl::StatusOr<int>(const ChosenCommand&)>& run);

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_APP_H_
