#ifndef FEDERITY_CLIENT_CLI_COMMANDS_H_
#define FEDERITY_CLIENT_CLI_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "client/cli/cli_context.h"

namespace federity::cli {

// The command line under construction, and the command that it chose. A
// command returns OK or its exit status.
struct Commands {
  CLI::App& app;
  std::function<absl::StatusOr<int>(CliContext&)> chosen;

  // `run` takes the context and returns Status or StatusOr<int>. It runs after
  // parsing, so that nothing happens on a wrong command line.
  template <class Run>
  void On(CLI::App* command, Run run) {
    command->callback([this, run = std::move(run)] {
      chosen = [run](CliContext& cli) -> absl::StatusOr<int> {
        if constexpr (std::is_same_v<std::invoke_result_t<Run, CliContext&>, absl::Status>) {
          absl::Status status = run(cli);
          if (!status.ok()) return status;
          return 0;
        } else {
          return run(cli);
        }
      };
    });
  }
};

// The groups of --help, in the order of the journeys.
inline constexpr const char* kGroupStart = "Begin";
inline constexpr const char* kGroupOwn = "Own a model";
inline constexpr const char* kGroupTrain = "Train together";
inline constexpr const char* kGroupPeople = "People";
inline constexpr const char* kGroupUse = "Use a model";
inline constexpr const char* kGroupCheck = "Check";

inline constexpr const char* kMemberOfNothing =
    "You are a member of nothing yet. Join with the link that you were given: federity join 'LINK'";

// Refuse a malformed argument as a usage error, before anything is done.
CLI::Validator IsRepository();
CLI::Validator IsScope();
CLI::Validator IsCommit();
CLI::Validator IsRole();
CLI::Validator IsTimeSpan();
// A model to be written: FILE.safetensors or FILE.pt, in a folder that is there.
CLI::Validator IsModelFile();

// One function a file.
void AddIdentityCommands(Commands& commands);
void AddDoctorCommand(Commands& commands);
void AddRepositoryCommands(Commands& commands);
void AddPlanCommands(Commands& commands);
void AddStatisticsCommands(Commands& commands);
void AddRoundCommands(Commands& commands);
void AddInvitationCommands(Commands& commands);
void AddMemberCommands(Commands& commands);
void AddCommitCommands(Commands& commands);
void AddPullCommand(Commands& commands);
void AddEvaluateCommand(Commands& commands);
void AddTrainCommand(Commands& commands);
void AddAuditCommands(Commands& commands);

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_COMMANDS_H_
