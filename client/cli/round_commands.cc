// round start, watch, list, show, cancel.
#include <memory>

#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/round_view.h"
#include "client/cli/round_watch.h"
#include "client/cli/session.h"
#include "client/terminal/format.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/crypto/secret.h"
#include "federity/v1/rounds.grpc.pb.h"

namespace federity::cli {
namespace {

using terminal::Json;
using Stub = v1::RoundService::Stub;

struct RoundOptions {
  std::string repository;
  std::string round = "latest";
  std::string reason;
  int32_t count = 1;
  size_t limit = 50;
  bool watch = false;
};

// "latest" is what a user did not write: its absence has words of its own.
absl::Status Explain(const absl::Status& status, const RoundOptions& options) {
  if (ReasonOf(status) != v1::ERROR_REASON_NOT_FOUND || options.round != "latest") return status;
  return Error(v1::ERROR_REASON_NOT_FOUND,
               StrCat("'", options.repository, "' has no round yet, or you may not see it; "
                      "federity round start begins one"));
}

absl::StatusOr<int> Start(CliContext& cli, const RoundOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, options.repository));
  v1::StartRoundRequest request;
  request.set_parent(session.scope());
  request.set_count(options.count);
  request.set_request_id(crypto::RandomUuid());
  FEDERITY_ASSIGN_OR_RETURN(const v1::Round round, session.Call(&Stub::StartRound, request));
  if (options.watch) return WatchRound(cli, session, round.name());
  cli.output.Line(StrCat("Started round ", LastSegment(round.name()),
                         options.count > 1 ? StrCat(", the first of ", options.count) : "", "."));
  cli.output.Line(StrCat("Next: federity round watch ", options.repository));
  cli.output.Document(RoundJson(round));
  return 0;
}

absl::StatusOr<int> Watch(CliContext& cli, const RoundOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, options.repository));
  FEDERITY_ASSIGN_OR_RETURN(std::string name, RoundName(session.scope(), options.round));
  const absl::StatusOr<int> result = WatchRound(cli, session, std::move(name));
  if (!result.ok()) return Explain(result.status(), options);
  return result;
}

absl::Status List(CliContext& cli, const RoundOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, options.repository));
  v1::ListRoundsRequest request;
  request.set_parent(session.scope());
  FEDERITY_ASSIGN_OR_RETURN(
      const std::vector<v1::Round> rounds,
      session.List(&Stub::ListRounds, request, &v1::ListRoundsResponse::rounds, options.limit));
  constexpr auto kRight = terminal::Align::kRight;
  terminal::Table table({{"ROUND", kRight},
                         {"STATE"},
                         {"MERGED", kRight},
                         {"STARTED"},
                         {"TOOK", kRight},
                         {"COMMIT"},
                         {"REMARK"}});
  Json list = Json::array();
  for (const v1::Round& round : rounds) {
    const absl::Time start = terminal::ToTime(round.create_time());
    table.Add(
        {LastSegment(round.name()), terminal::EnumText(round.state()),
         StrCat(Count(round, v1::Contribution::ACCEPTED)), terminal::FormatTime(start),
         HasEnded(round) ? terminal::FormatElapsed(terminal::ToTime(round.end_time()) - start) : "",
         ShortCommit(round.commit()), HasEnded(round) ? round.failure() : round.waiting_for()});
    list.push_back(RoundJson(round));
  }
  cli.output.Show(table, "No rounds yet.");
  cli.output.Document({{"rounds", std::move(list)}});
  return absl::OkStatus();
}

absl::Status Show(CliContext& cli, const RoundOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, options.repository));
  v1::GetRoundRequest request;
  FEDERITY_ASSIGN_OR_RETURN(*request.mutable_name(), RoundName(session.scope(), options.round));
  const absl::StatusOr<v1::Round> found = session.Call(&Stub::GetRound, request);
  if (!found.ok()) return Explain(found.status(), options);
  const v1::Round& round = *found;
  for (const std::string& line : RoundLines(round, cli.clock.Now())) cli.output.Line(line);
  terminal::Properties lines;
  lines.Add("Base commit", ShortCommit(round.base_commit()));
  lines.Add("Started", terminal::FormatTime(terminal::ToTime(round.create_time())));
  lines.Add("Plan", round.plan_digest());
  lines.Add("Standardisation",
            round.standardisation_digest().empty() ? "none" : round.standardisation_digest());
  lines.Add("Seed", StrCat(round.seed()));
  lines.Add("At least", StrCat(round.min_contributions(), " contributions"));
  cli.output.Text(lines.ToString());
  cli.output.Document(RoundJson(round));
  return absl::OkStatus();
}

absl::Status Cancel(CliContext& cli, const RoundOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, options.repository));
  v1::CancelRoundRequest request;
  FEDERITY_ASSIGN_OR_RETURN(*request.mutable_name(), RoundName(session.scope(), options.round));
  request.set_reason(options.reason);
  request.set_request_id(crypto::RandomUuid());
  const absl::StatusOr<v1::Round> cancelled = session.Call(&Stub::CancelRound, request);
  if (!cancelled.ok()) return Explain(cancelled.status(), options);
  const v1::Round& round = *cancelled;
  cli.output.Line(RoundHeadline(round, cli.clock.Now()));
  cli.output.Document(RoundJson(round));
  return absl::OkStatus();
}

}  // namespace

void AddRoundCommands(Commands& commands) {
  auto* group = commands.app.add_subcommand("round", "Rounds: start, watch, list, show, cancel");
  group->group(kGroupTrain)->require_subcommand(1);
  const auto o = std::make_shared<RoundOptions>();
  const auto add = [&](const char* name, const char* what, auto run, bool with_round) {
    auto* command = group->add_subcommand(name, what);
    command->add_option("REPO", o->repository, "OWNER/NAME")->required()->check(IsRepository());
    if (with_round) {
      command->add_option("ROUND", o->round, "Its number")->capture_default_str();
    }
    commands.On(command, [o, run](CliContext& cli) { return run(cli, *o); });
    return command;
  };
  auto* start = add("start", "Start a round, or a series of them", Start, false);
  start->add_option("--count", o->count, "How many, one after another")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  start->add_flag("--watch", o->watch, "Watch it to its end");
  add("watch", "Follow a round and its series; status 0 if it commits", Watch, true);
  add("list", "The rounds, newest first", List, false)
      ->add_option("--limit", o->limit, "At most so many")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  add("show", "One round with its members", Show, true);
  add("cancel", "End a round and its series; the model stays", Cancel, true)
      ->add_option("--reason", o->reason, "Shown to the members");
}

}  // namespace federity::cli
