#include "client/agent/command_line.h"

#include <CLI/CLI.hpp>
#include <deque>
#include <iostream>
#include <utility>

#include "client/terminal/command_line.h"
#include "common/base/strings.h"
#include "common/base/version.h"

namespace federity::agent {
namespace {

using nlohmann::json;

// Collects options into the JSON arguments of the subcommand that was given:
// an option that was left out is left out there, too.
class Parser {
 public:
  Parser()
      : app_("The federity agent: trains models on data that stays on this machine.",
             "federity-agent") {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", StrCat("federity-agent ", kVersion));
    app_.fallthrough();
    app_.add_option("--state-dir", invocation_.state_dir, "Where the agent keeps its state")
        ->type_name("DIR");
    app_.add_option("--config", invocation_.config, "The configuration, agent.toml")
        ->type_name("FILE");
    AddMembershipCommands();
    AddDatasetCommands();
    AddApprovalCommands();
  }

  std::variant<Invocation, int> Parse(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return terminal::ExitOf(app_, error, std::cout, std::cerr);
    }
    return std::move(invocation_);
  }

 private:
  CLI::App& Command(CLI::App& parent, const std::string& name, const std::string& full_name,
                    const std::string& description) {
    CLI::App* command = parent.add_subcommand(name, description);
    command->final_callback([this, full_name] { invocation_.command = full_name; });
    return *command;
  }

  void Json(CLI::App& command) { command.add_flag("--json", invocation_.json, "Print JSON"); }

  void Text(CLI::App& command, const std::string& option, const std::string& key,
            const std::string& description, const std::string& type, bool required = false) {
    command
        .add_option_function<std::string>(
            option, [this, key](const std::string& value) { invocation_.arguments[key] = value; },
            description)
        ->type_name(type)
        ->required(required);
  }

  // Paths are absolute from here on: the daemon has a working directory of its own.
  void Path(CLI::App& command, const std::string& option, const std::string& key,
            const std::string& description, bool required = false) {
    command
        .add_option_function<std::string>(
            option,
            [this, key](const std::string& value) {
              std::error_code error;
              invocation_.arguments[key] = std::filesystem::absolute(value, error).string();
            },
            description)
        ->type_name("PATH")
        ->required(required);
  }

  void Number(CLI::App& command, const std::string& option, const std::string& key,
              const std::string& description) {
    command
        .add_option_function<int64_t>(
            option, [this, key](const int64_t& value) { invocation_.arguments[key] = value; },
            description)
        ->type_name("N")
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  }

  void Flag(CLI::App& command, const std::string& option, const std::string& key,
            const std::string& description) {
    command.add_flag_callback(
        option, [this, key] { invocation_.arguments[key] = true; }, description);
  }

  void AddMembershipCommands() {
    CLI::App& join = Command(app_, "join", "join", "Redeem an invitation link");
    Text(join, "link", "link", "The link, or - to read it from standard input", "LINK", true);
    Json(join);
    Json(Command(app_, "status", "status", "Show memberships, approvals, data sets and work"));
    Command(app_, "run", "run", "Run the daemon");
    CLI::App& pause =
        Command(app_, "pause", "pause", "Take no work (finished updates still go out)");
    Text(pause, "repository", "repository", "Only this repository", "OWNER/NAME");
    CLI::App& resume = Command(app_, "resume", "resume", "Take work again");
    Text(resume, "repository", "repository", "Only this repository", "OWNER/NAME");
    CLI::App& leave = Command(app_, "leave", "leave", "Leave a repository and wipe its keys");
    Text(leave, "repository", "repository", "The repository", "OWNER/NAME", true);
    Flag(leave, "--withdraw", "withdraw", "Also take back an update that is not merged yet");
    CLI::App& log = Command(app_, "log", "log", "Show what happened on this machine");
    Number(log, "-n,--count", "count", "How many lines (default 50)");
    Json(log);
  }

  void AddDatasetCommands() {
    CLI::App* dataset = app_.add_subcommand("dataset", "Data sets on this machine");
    dataset->require_subcommand(1);
    CLI::App& add = Command(*dataset, "add", "dataset add", "Check and register a data set");
    Path(add, "path", "path", "A CSV file, a folder of class folders, or an IDX images file", true);
    Text(add, "--repo", "repository", "The repository that it is for", "OWNER/NAME");
    Text(add, "--label", "label_column", "The column that holds the plan's label", "COLUMN");
    Text(add, "--name", "label", "Its name, which the coordinator sees", "NAME");
    Text(add, "--format", "format", "csv, image_folder or idx", "FORMAT");
    Path(add, "--labels", "labels_path", "The labels file of an IDX data set");
    CLI::App& list = Command(*dataset, "list", "dataset list", "List data sets");
    Text(list, "--repo", "repository", "Only this repository's", "OWNER/NAME");
    CLI::App& check = Command(*dataset, "check", "dataset check", "Check against the plan");
    CLI::App& refresh =
        Command(*dataset, "refresh", "dataset refresh", "Register a changed data set anew");
    CLI::App& remove =
        Command(*dataset, "remove", "dataset remove", "Forget a data set; its files stay");
    for (CLI::App* command : {&check, &refresh, &remove}) {
      Text(*command, "name", "label", "The data set (default: all)", "NAME", command == &remove);
      Text(*command, "--repo", "repository", "The repository that it is for", "OWNER/NAME");
    }
    for (CLI::App* command : {&add, &list, &check, &refresh}) Json(*command);
  }

  void AddApprovalCommands() {
    CLI::App& approve =
        Command(app_, "approve", "approve", "Look at plan and program and let them run here");
    Text(approve, "repository", "repository", "The repository", "OWNER/NAME", true);
    Flag(approve, "--show", "show", "Only show what there is to approve");
    Text(approve, "--digest", "digest", "Approve exactly this, without a question", "sha256:…");
    Number(approve, "--rounds", "rounds", "At most so many rounds");
    Text(approve, "--expires", "expires", "For so long: 90d, 12h", "DURATION");
    Text(approve, "--hours", "hours", "Only at these hours, local time: 20:00-06:00", "HOURS");
    Number(approve, "--cpus", "cpus", "CPU threads");
    Text(approve, "--memory", "memory", "Memory: 4GiB", "SIZE");
    Json(approve);
    CLI::App& revoke = Command(app_, "revoke", "revoke", "Take an approval back; training stops");
    Text(revoke, "repository", "repository", "The repository", "OWNER/NAME", true);
  }

  CLI::App app_;
  Invocation invocation_{.arguments = json::object()};
};

}  // namespace

std::variant<Invocation, int> ParseCommandLine(int argc, const char* const* argv) {
  return Parser().Parse(argc, argv);
}

}  // namespace federity::agent
