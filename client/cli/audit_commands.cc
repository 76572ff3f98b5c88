// contribution list; audit.
#include <map>
#include <memory>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/identity/choose.h"
#include "client/terminal/format.h"
#include "common/base/strings.h"
#include "federity/v1/contributions.grpc.pb.h"
#include "federity/v1/server.grpc.pb.h"

namespace federity::cli {
namespace {

using terminal::Json;

struct AuditOptions {
  std::string scope;
  std::string round;
  size_t limit = 100;
};

absl::Status ListContributions(CliContext& cli, const AuditOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, options.scope));
  v1::ListContributionsRequest request;
  request.set_parent(StrCat(session.scope(), "/rounds/-"));
  if (!options.round.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(*request.mutable_parent(), RoundName(session.scope(), options.round));
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const std::vector<v1::Contribution> all,
      session.List(&v1::ContributionService::Stub::ListContributions, request,
                   &v1::ListContributionsResponse::contributions, options.limit));
  constexpr auto kRight = terminal::Align::kRight;
  terminal::Table table({{"ROUND", kRight},
                         {"CONTRIBUTION"},
                         {"ORGANISATION"},
                         {"STATE"},
                         {"EXAMPLES", kRight},
                         {"NORM", kRight},
                         {"SUBMITTED"},
                         {"REMARK"}});
  Json list = Json::array();
  for (const v1::Contribution& one : all) {
    const auto name = ParseResourceName(one.name());
    table.Add({name.ok() ? name->id : "", ShortId(one.name()), one.organization_display_name(),
               terminal::EnumText(one.state()), one.examples() > 0 ? StrCat(one.examples()) : "",
               one.norm() > 0 ? absl::StrFormat("%.3f", one.norm()) : "",
               terminal::FormatTime(terminal::ToTime(one.submit_time())), one.refusal()});
    list.push_back(terminal::ToJson(one));
  }
  cli.output.Show(table, "No contributions.");
  cli.output.Document({{"contributions", std::move(list)}});
  return absl::OkStatus();
}

// A resource as seen from the scope: "rounds/3", "commits/0123456789ab",
// "repositories/heart/rounds/3", or the scope itself.
std::string Within(const std::string& scope, const std::string& resource) {
  if (resource == scope) return identity::ShortScope(scope);
  std::string text = resource;
  if (auto name = ParseResourceName(resource); name.ok() && name->collection == "commits") {
    name->id = ShortCommit(name->id);
    text = FormatResourceName(*name);
  }
  return text.starts_with(scope + "/") ? text.substr(scope.size() + 1) : text;
}

absl::Status Audit(CliContext& cli, const AuditOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenScope(cli, options.scope));
  v1::ListAuditEventsRequest request;
  request.set_parent(session.scope());
  FEDERITY_ASSIGN_OR_RETURN(
      const std::vector<v1::AuditEvent> events,
      session.List(&v1::ServerService::Stub::ListAuditEvents, request,
                   &v1::ListAuditEventsResponse::audit_events, options.limit));
  terminal::Table table({{"TIME"}, {"WHO"}, {"WHAT"}, {"ON"}, {"OUTCOME"}, {"DETAILS"}});
  Json list = Json::array();
  for (const v1::AuditEvent& event : events) {
    // Sorted: a protobuf map has no order.
    const std::map<std::string, std::string> details(event.details().begin(),
                                                     event.details().end());
    const bool member = event.actor().find("members/") != std::string::npos;
    table.Add({terminal::FormatTime(terminal::ToTime(event.time())),
               member ? ShortId(event.actor()) : event.actor(), event.action(),
               Within(session.scope(), event.resource()), event.outcome(),
               absl::StrJoin(details, " ", absl::PairFormatter("="))});
    list.push_back(terminal::ToJson(event));
  }
  cli.output.Show(table, "No events.");
  cli.output.Document({{"audit_events", std::move(list)}});
  return absl::OkStatus();
}

void AddLimit(CLI::App* command, AuditOptions& options) {
  command->add_option("--limit", options.limit, "At most so many, the newest")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
}

}  // namespace

void AddAuditCommands(Commands& commands) {
  const auto o = std::make_shared<AuditOptions>();
  auto* contribution = commands.app.add_subcommand("contribution", "Contributions: list");
  contribution->group(kGroupCheck)->require_subcommand(1);
  auto* list = contribution->add_subcommand("list", "Those of a repository, newest round first");
  list->add_option("REPO", o->scope, "OWNER/NAME")->required()->check(IsRepository());
  list->add_option("--round", o->round, "Of this round alone");
  AddLimit(list, *o);
  commands.On(list, [o](CliContext& cli) { return ListContributions(cli, *o); });

  auto* audit = commands.app.add_subcommand("audit", "Who did what, newest first");
  audit->group(kGroupCheck);
  audit
      ->add_option("SCOPE", o->scope,
                   "OWNER/NAME; an organisation, with all its repositories; server, for "
                   "administrators")
      ->required()
      ->check(IsScope());
  AddLimit(audit, *o);
  commands.On(audit, [o](CliContext& cli) { return Audit(cli, *o); });
}

}  // namespace federity::cli
