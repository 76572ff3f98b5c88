// join, whoami, context.
#include <memory>

#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/coordinators.h"
#include "client/cli/session.h"
#include "client/identity/choose.h"
#include "client/terminal/format.h"
#include "client/terminal/text.h"
#include "common/base/strings.h"
#include "common/base/version.h"
#include "common/rpc/join_link.h"
#include "federity/v1/membership.grpc.pb.h"

namespace federity::cli {
namespace {

using identity::Identity;
using terminal::Json;

Json ToJson(const Identity& identity) {
  return {{"member", identity.member},
          {"scope", identity::ShortScope(identity.scope)},
          {"organization", identity.organization},
          {"organization_display_name", identity.organization_display_name},
          {"role", RoleText(identity.role)},
          {"kind", KindText(identity.kind)},
          {"coordinator", identity.address},
          {"addresses", identity.addresses},
          {"ca_fingerprint", identity.ca_fingerprint},
          {"certificate_expires",
           absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", identity.expire_time, absl::UTCTimeZone())}};
}

// What a new member does next, by role.
std::string NextStep(const Identity& identity) {
  const std::string scope = identity::ShortScope(identity.scope);
  if (identity.role == v1::ROLE_ADMINISTRATOR) return "federity org invite NAME";
  if (identity.role == v1::ROLE_OWNER && scope.find('/') == scope.npos) {
    return StrCat("federity repo create ", scope, "/NAME --model model.pt --plan plan.toml");
  }
  return identity.role == v1::ROLE_AUDITOR ? StrCat("federity audit ", scope)
                                           : StrCat("federity repo show ", scope);
}

absl::Status Join(CliContext& cli, const std::string& argument) {
  FEDERITY_ASSIGN_OR_RETURN(const std::string text,
                            terminal::ArgumentOrInput(cli.output, argument));
  FEDERITY_ASSIGN_OR_RETURN(const rpc::JoinLink link, rpc::ParseJoinLink(text));
  FEDERITY_ASSIGN_OR_RETURN(const Identity identity,
                            cli.store.Join(link, v1::MEMBER_KIND_PERSON, kVersion));
  cli.output.Line(StrCat("Joined ", identity::ShortScope(identity.scope), " at ", identity.address,
                         " as ", RoleText(identity.role), " of ",
                         terminal::Printable(identity.organization_display_name), "."));
  cli.output.Line(StrCat("The certificate renews itself; it ends ",
                         terminal::FormatTime(identity.expire_time), "."));
  cli.output.Line(StrCat("Next: ", NextStep(identity)));
  cli.output.Document(ToJson(identity));
  return absl::OkStatus();
}

// "ok", or why the coordinator does not know this member now.
std::string Standing(CliContext& cli, const Identity& identity) {
  cli.patience = absl::ZeroDuration();
  const auto session = OpenMembership(cli, identity, identity.scope);
  if (!session.ok()) return std::string(session.status().message());
  const auto member = session->Call(&v1::MembershipService::Stub::GetCaller, {});
  if (!member.ok()) return std::string(member.status().message());
  return member->role() == identity.role ? "ok" : StrCat("now ", RoleText(member->role()));
}

absl::Status WhoAmI(CliContext& cli, bool check) {
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<Identity> all, cli.store.List());
  std::vector<terminal::Column> columns = {{"SCOPE"},       {"ROLE"},   {"ORGANISATION"},
                                           {"COORDINATOR"}, {"MEMBER"}, {"CERTIFICATE ENDS"}};
  if (check) columns.push_back({"STANDING"});
  terminal::Table table(std::move(columns));
  Json list = Json::array();
  for (const Identity& one : all) {
    list.push_back(ToJson(one));
    std::vector<std::string> row = {identity::ShortScope(one.scope),
                                    RoleText(one.role),
                                    one.organization_display_name,
                                    one.address,
                                    ShortId(one.member),
                                    terminal::FormatTime(one.expire_time)};
    if (check) {
      row.push_back(Standing(cli, one));
      list.back()["standing"] = row.back();
    }
    table.Add(std::move(row));
  }
  cli.output.Show(table, kMemberOfNothing);
  cli.output.Document({{"memberships", std::move(list)}});
  return absl::OkStatus();
}

absl::Status ContextList(CliContext& cli) {
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<Identity> all, cli.store.List());
  terminal::Table table(
      {{"CHOSEN"}, {"COORDINATOR"}, {"CA FINGERPRINT"}, {"MEMBERSHIPS", terminal::Align::kRight}});
  Json list = Json::array();
  for (const Coordinator& one : ListCoordinators(all, ReadChoice(cli.home))) {
    table.Add({one.chosen ? "*" : " ", one.address, one.ca_fingerprint.substr(0, 16),
               StrCat(one.memberships)});
    list.push_back({{"coordinator", one.address},
                    {"addresses", one.addresses},
                    {"ca_fingerprint", one.ca_fingerprint},
                    {"memberships", one.memberships},
                    {"chosen", one.chosen}});
  }
  cli.output.Show(table, "No coordinators yet.");
  cli.output.Document({{"coordinators", std::move(list)}});
  return absl::OkStatus();
}

absl::Status ContextUse(CliContext& cli, const std::string& text) {
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<Identity> all, cli.store.List());
  FEDERITY_ASSIGN_OR_RETURN(const Coordinator chosen,
                            FindCoordinator(ListCoordinators(all, ""), text));
  FEDERITY_RETURN_IF_ERROR(WriteChoice(cli.home, chosen.ca_fingerprint));
  cli.output.Line(StrCat("Repositories are looked up at ", chosen.address, " first."));
  cli.output.Document({{"coordinator", chosen.address}, {"ca_fingerprint", chosen.ca_fingerprint}});
  return absl::OkStatus();
}

}  // namespace

void AddIdentityCommands(Commands& commands) {
  {
    auto* join = commands.app.add_subcommand("join", "Become a member with a link");
    auto link = std::make_shared<std::string>();
    join->add_option("LINK", *link, "federity://…; - reads it from standard input")->required();
    join->group(kGroupStart);
    commands.On(join, [link](CliContext& cli) { return Join(cli, *link); });
  }
  {
    auto* whoami = commands.app.add_subcommand("whoami", "What you are a member of");
    auto check = std::make_shared<bool>(false);
    whoami->add_flag("--check", *check, "Also ask each coordinator");
    whoami->group(kGroupStart);
    commands.On(whoami, [check](CliContext& cli) { return WhoAmI(cli, *check); });
  }
  auto* context = commands.app.add_subcommand("context", "The coordinators you know");
  context->group(kGroupStart)->require_subcommand(1);
  commands.On(context->add_subcommand("list", "All of them"), ContextList);
  auto* use = context->add_subcommand("use", "Prefer one where two have a repository's name");
  auto address = std::make_shared<std::string>();
  use->add_option("COORDINATOR", *address, "HOST:PORT, or the beginning of its CA fingerprint")
      ->required();
  commands.On(use, [address](CliContext& cli) { return ContextUse(cli, *address); });
}

}  // namespace federity::cli
