// stats run, show.
#include <memory>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/terminal/format.h"
#include "client/terminal/progress.h"
#include "client/terminal/text.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/crypto/secret.h"
#include "common/plan/plan.h"
#include "federity/v1/plans.grpc.pb.h"
#include "federity/v1/statistics.grpc.pb.h"

namespace federity::cli {
namespace {

using terminal::Printable;

constexpr absl::Duration kPoll = absl::Milliseconds(500);

// The names of the features; empty for images.
std::vector<std::string> FeatureNames(const Session& session) {
  v1::GetPlanRequest request;
  request.set_name(StrCat(session.scope(), "/plans/current"));
  const auto plan = session.Call(&v1::PlanService::Stub::GetPlan, request);
  if (!plan.ok()) return {};
  const auto parsed = ParsePlan(plan->toml());
  return parsed.ok() ? parsed->data.features : std::vector<std::string>();
}

void Print(CliContext& cli, const Session& session, const v1::Standardisation& frozen) {
  const std::vector<std::string> names = FeatureNames(session);
  terminal::Table table(
      {{"FEATURE"}, {"MEAN", terminal::Align::kRight}, {"SD", terminal::Align::kRight}});
  for (int i = 0; i < frozen.mean_size() && i < frozen.sd_size(); ++i) {
    const auto index = static_cast<size_t>(i);
    table.Add({index < names.size() ? names[index] : StrCat("feature ", i + 1),
               absl::StrFormat("%.6g", frozen.mean(i)), absl::StrFormat("%.6g", frozen.sd(i))});
  }
  cli.output.Show(table, "No features.");
  cli.output.Line(StrCat(frozen.examples(), " rows of ", frozen.contributors(),
                         " organisations, frozen ",
                         terminal::FormatTime(terminal::ToTime(frozen.create_time()))));
  cli.output.Line(StrCat("digest ", Printable(frozen.digest())));
}

absl::Status Show(CliContext& cli, const std::string& repository) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, repository));
  v1::GetStandardisationRequest request;
  request.set_name(StrCat(session.scope(), "/standardisations/current"));
  const absl::StatusOr<v1::Standardisation> frozen =
      session.Call(&v1::StatisticsService::Stub::GetStandardisation, request);
  if (ReasonOf(frozen.status()) == v1::ERROR_REASON_NOT_FOUND) {
    return Error(v1::ERROR_REASON_NOT_FOUND,
                 StrCat("'", repository,
                        "' has no standardisation in force, or you may not see it; federity stats "
                        "run makes one"));
  }
  FEDERITY_RETURN_IF_ERROR(frozen.status());
  Print(cli, session, *frozen);
  cli.output.Document(terminal::ToJson(*frozen));
  return absl::OkStatus();
}

// Waits for the end of a run.
absl::StatusOr<v1::StatisticsRun> Follow(CliContext& cli, const Session& session,
                                         v1::StatisticsRun run) {
  v1::GetStatisticsRequest request;
  request.set_name(run.name());
  terminal::ProgressBar bar(cli.output, "collecting sums", terminal::ProgressBar::Unit::kFraction,
                            cli.clock);
  // A state of a later version is one on the way.
  while (run.state() != v1::StatisticsRun::FROZEN && run.state() != v1::StatisticsRun::FAILED) {
    bar.SetLabel(run.asked() == 0 ? "waiting for agents"
                                  : StrCat("collecting sums: ", run.answered(), " of ", run.asked(),
                                           " answered, ", run.abstained(), " abstained"));
    bar.Update(run.answered() + run.abstained(), run.asked());
    absl::SleepFor(kPoll);
    FEDERITY_ASSIGN_OR_RETURN(run,
                              session.Call(&v1::StatisticsService::Stub::GetStatistics, request));
  }
  return run;
}

absl::Status Run(CliContext& cli, const std::string& repository) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, repository));
  v1::StartStatisticsRequest request;
  request.set_parent(session.scope());
  request.set_request_id(crypto::RandomUuid());
  FEDERITY_ASSIGN_OR_RETURN(const v1::StatisticsRun started,
                            session.Call(&v1::StatisticsService::Stub::StartStatistics, request));
  FEDERITY_ASSIGN_OR_RETURN(const v1::StatisticsRun run, Follow(cli, session, started));
  cli.output.Document(terminal::ToJson(run));
  if (run.state() != v1::StatisticsRun::FROZEN) {
    return absl::FailedPreconditionError(StrCat("the statistics failed: ", run.failure(), " (",
                                                run.answered(), " of ", run.asked(), " answered, ",
                                                run.abstained(), " abstained)"));
  }
  Print(cli, session, run.standardisation());
  return absl::OkStatus();
}

}  // namespace

void AddStatisticsCommands(Commands& commands) {
  auto* stats = commands.app.add_subcommand("stats", "Federated mean and sd: run, show");
  stats->group(kGroupTrain)->require_subcommand(1);
  auto repository = std::make_shared<std::string>();
  auto* run = stats->add_subcommand("run", "Collect sums and freeze a standardisation");
  run->add_option("REPO", *repository, "OWNER/NAME")->required()->check(IsRepository());
  commands.On(run, [repository](CliContext& cli) { return Run(cli, *repository); });
  auto* show = stats->add_subcommand("show", "The standardisation in force");
  show->add_option("REPO", *repository, "OWNER/NAME")->required()->check(IsRepository());
  commands.On(show, [repository](CliContext& cli) { return Show(cli, *repository); });
}

}  // namespace federity::cli
