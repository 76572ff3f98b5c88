#include "client/terminal/command_line.h"

#include <string>
#include <vector>

#include "client/terminal/text.h"
#include "common/base/strings.h"

namespace federity::terminal {
namespace {

// The command that was understood last: "federity round".
const CLI::App& Deepest(const CLI::App& app) {
  const std::vector<CLI::App*> given = app.get_subcommands();
  return given.empty() ? app : Deepest(*given.back());
}

std::string NameOf(const CLI::App& app) {
  return app.get_parent() ? StrCat(NameOf(*app.get_parent()), " ", app.get_name()) : app.get_name();
}

}  // namespace

int ExitOf(const CLI::App& app, const CLI::ParseError& error, std::ostream& out,
           std::ostream& err) {
  const CLI::App& deepest = Deepest(app);
  // A command is missing, or a word stands where one should.
  if (error.get_name() != "RequiredError" || deepest.get_require_subcommand_min() == 0 ||
      !deepest.get_subcommands().empty()) {
    return app.exit(error, out, err) == 0 ? 0 : 2;
  }
  const std::vector<std::string> words = app.remaining(/*recurse=*/true);
  if (words.empty()) {
    err << deepest.help();
  } else {
    err << StrCat("'", Printable(words.front()), "' is no command; ", NameOf(deepest),
                  " --help lists them\n");
  }
  return 2;
}

}  // namespace federity::terminal
