// plan show, set, diff.
#include <memory>

#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/jobs.h"
#include "client/cli/session.h"
#include "client/terminal/text.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "federity/v1/plans.grpc.pb.h"

namespace federity::cli {
namespace {

using terminal::Printable;

absl::StatusOr<v1::Plan> GetPlan(const Session& session, std::string_view which) {
  v1::GetPlanRequest request;
  request.set_name(StrCat(session.scope(), "/plans/", which));
  return session.Call(&v1::PlanService::Stub::GetPlan, request);
}

absl::Status Show(CliContext& cli, const std::string& repository) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, repository));
  FEDERITY_ASSIGN_OR_RETURN(const v1::Plan plan, GetPlan(session, "current"));
  // Parsed and written again: what a coordinator sends can't steer a terminal.
  FEDERITY_ASSIGN_OR_RETURN(const Plan parsed, ParsePlan(plan.toml()));
  cli.output.Text(FormatPlan(parsed));
  cli.output.Line(StrCat("# digest ", Printable(plan.digest())));
  for (const std::string& warning : plan.warnings()) {
    cli.output.Note(StrCat("warning: ", Printable(warning)));
  }
  cli.output.Document(terminal::ToJson(plan));
  return absl::OkStatus();
}

struct Difference {
  Plan file;
  std::vector<std::string> lines;
};

absl::StatusOr<Difference> Compare(CliContext& cli, const Session& session,
                                   const std::string& file) {
  FEDERITY_ASSIGN_OR_RETURN(const Plan after, ReadPlan(cli, file));
  FEDERITY_ASSIGN_OR_RETURN(const v1::Plan stored, GetPlan(session, "current"));
  FEDERITY_ASSIGN_OR_RETURN(const Plan before, ParsePlan(stored.toml()));
  return Difference{.file = after, .lines = PlanDifferences(before, after)};
}

absl::Status Diff(CliContext& cli, const std::string& repository, const std::string& file) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, repository));
  FEDERITY_ASSIGN_OR_RETURN(const Difference difference, Compare(cli, session, file));
  if (difference.lines.empty()) cli.output.Line("No difference.");
  for (const std::string& line : difference.lines) cli.output.Line(Printable(line));
  cli.output.Document({{"differences", difference.lines}});
  return absl::OkStatus();
}

absl::Status Set(CliContext& cli, const std::string& repository, const std::string& file) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, repository));
  FEDERITY_ASSIGN_OR_RETURN(const Difference difference, Compare(cli, session, file));
  v1::SetPlanRequest request;
  request.set_parent(session.scope());
  request.set_toml(FormatPlan(difference.file));
  request.set_request_id(crypto::RandomUuid());
  FEDERITY_ASSIGN_OR_RETURN(const v1::Plan plan,
                            session.Call(&v1::PlanService::Stub::SetPlan, request));
  if (difference.lines.empty()) {
    cli.output.Line("The plan in force says the same already.");
  } else {
    for (const std::string& line : difference.lines) cli.output.Line(Printable(line));
    cli.output.Line(StrCat("In force: ", Printable(plan.digest())));
    cli.output.Note("Every agent needs a new approval before it trains again.");
  }
  cli.output.Document({{"plan", terminal::ToJson(plan)}, {"differences", difference.lines}});
  return absl::OkStatus();
}

}  // namespace

void AddPlanCommands(Commands& commands) {
  auto* plan = commands.app.add_subcommand("plan", "The plan: show, set, diff");
  plan->group(kGroupOwn)->require_subcommand(1);
  auto repository = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>();
  const auto add = [&](const char* name, const char* what, bool with_file) {
    auto* command = plan->add_subcommand(name, what);
    command->add_option("REPO", *repository, "OWNER/NAME")->required()->check(IsRepository());
    if (with_file) {
      command->add_option("FILE", *file, "A plan, TOML")->required()->check(CLI::ExistingFile);
    }
    return command;
  };
  commands.On(add("show", "The plan in force", false),
              [repository](CliContext& cli) { return Show(cli, *repository); });
  commands.On(add("set", "Put a plan in force; agents need a new approval", true),
              [repository, file](CliContext& cli) { return Set(cli, *repository, *file); });
  commands.On(add("diff", "What a file would change", true),
              [repository, file](CliContext& cli) { return Diff(cli, *repository, *file); });
}

}  // namespace federity::cli
