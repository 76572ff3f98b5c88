#include "client/cli/app.h"

#include <algorithm>

#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/remedy.h"
#include "client/terminal/command_line.h"
#include "common/base/strings.h"
#include "common/base/version.h"

namespace federity::cli {
namespace {

// CLI11 takes the empty text for success.
template <class Parse>
CLI::Validator Validator(Parse parse, const char* name) {
  return CLI::Validator(
      [parse](std::string& text) {
        const auto parsed = parse(text);
        return parsed.ok() ? std::string() : std::string(parsed.status().message());
      },
      "", name);
}

void AddAll(Commands& commands) {
  AddIdentityCommands(commands);
  AddDoctorCommand(commands);
  AddRepositoryCommands(commands);
  AddPlanCommands(commands);
  AddStatisticsCommands(commands);
  AddRoundCommands(commands);
  AddInvitationCommands(commands);
  AddMemberCommands(commands);
  AddCommitCommands(commands);
  AddPullCommand(commands);
  AddEvaluateCommand(commands);
  AddTrainCommand(commands);
  AddAuditCommands(commands);
}

int Report(terminal::Output& output, const absl::StatusOr<int>& result) {
  if (result.ok()) return *result;
  output.Note(ErrorText(result.status()));
  return absl::IsCancelled(result.status()) ? 130 : 1;
}

}  // namespace

CLI::Validator IsRepository() { return Validator(RepositoryName, "repository"); }
CLI::Validator IsScope() { return Validator(ScopeName, "scope"); }
CLI::Validator IsCommit() { return Validator(CommitArgument, "commit"); }
CLI::Validator IsRole() { return Validator(ParseRole, "role"); }
CLI::Validator IsTimeSpan() { return Validator(ParseSeconds, "time span"); }
CLI::Validator IsModelFile() { return Validator(ModelFile, "model file"); }

int RunCommandLine(const std::vector<std::string>& arguments, terminal::Output& output,
                   const std::function<absl::StatusOr<int>(const ChosenCommand&)>& run) {
  CLI::App app("Train a model together on data that stays where it is.", "federity");
  app.set_version_flag("--version", StrCat("federity ", kVersion));
  app.fallthrough();
  app.require_subcommand(1);
  app.add_flag("--json", output.json, "Results as JSON, wherever a table or a figure is shown");
  app.footer("REPO is OWNER/NAME. Every command explains itself: federity COMMAND --help");
  Commands commands{.app = app, .chosen = nullptr};
  AddAll(commands);
  try {
    // CLI11 takes them from the back.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return terminal::ExitOf(app, error, output.out, output.err);
  }
  return Report(output, run(commands.chosen));
}

}  // namespace federity::cli
