// member list, set-role, remove; leave.
#include <memory>

#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/members.h"
#include "client/cli/session.h"
#include "client/identity/choose.h"
#include "client/identity/enrolment.h"
#include "client/terminal/format.h"
#include "client/terminal/text.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/crypto/secret.h"
#include "federity/v1/membership.grpc.pb.h"

namespace federity::cli {
namespace {

using terminal::Json;
using Stub = v1::MembershipService::Stub;

struct MemberOptions {
  std::string scope;
  std::string member;
  std::string role;
  bool removed = false;
  bool withdraw = false;
  bool yes = false;
};

absl::StatusOr<std::vector<v1::Member>> ListMembers(const Session& session, bool removed) {
  v1::ListMembersRequest request;
  request.set_parent(session.scope());
  request.set_show_removed(removed);
  return session.List(&Stub::ListMembers, request, &v1::ListMembersResponse::members);
}

std::string ApprovalText(const v1::Member& member) {
  switch (member.approval()) {
    case v1::APPROVAL_STATE_NONE:
      return "no";
    case v1::APPROVAL_STATE_OUTDATED:
      return "old";
    case v1::APPROVAL_STATE_CURRENT:
      return "yes";
    default:
      return "";
  }
}

std::string SeenText(const v1::Member& member, absl::Time now) {
  if (member.has_remove_time()) {
    return StrCat("removed ", terminal::FormatTime(terminal::ToTime(member.remove_time())));
  }
  if (member.online()) return "online";
  if (!member.has_last_seen_time()) return "";  // left out: not for this caller
  return terminal::FormatRelative(terminal::ToTime(member.last_seen_time()), now);
}

absl::Status List(CliContext& cli, const MemberOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenScope(cli, options.scope));
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<v1::Member> members,
                            ListMembers(session, options.removed));
  constexpr auto kRight = terminal::Align::kRight;
  terminal::Table table({{"MEMBER"},
                         {"ORGANISATION"},
                         {"ROLE"},
                         {"KIND"},
                         {"SEEN"},
                         {"VERSION"},
                         {"APPROVED"},
                         {"DATA SETS", kRight},
                         {"ROWS", kRight}});
  Json list = Json::array();
  for (const v1::Member& member : members) {
    int64_t rows = 0;
    for (const v1::DatasetSummary& dataset : member.datasets()) rows += dataset.rows();
    // Left out where this caller may not see what the agent offers.
    const bool offers = member.approval() != v1::APPROVAL_STATE_UNSPECIFIED;
    table.Add({ShortId(member.name()), member.organization_display_name(), RoleText(member.role()),
               KindText(member.kind()), SeenText(member, cli.clock.Now()), member.version(),
               ApprovalText(member), offers ? StrCat(member.datasets_size()) : "",
               rows > 0 ? StrCat(rows) : ""});
    list.push_back(terminal::ToJson(member));
  }
  cli.output.Show(table, "No members.");
  cli.output.Document({{"members", std::move(list)}});
  return absl::OkStatus();
}

absl::Status SetRole(CliContext& cli, const MemberOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const v1::Role role, ParseRole(options.role));
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenScope(cli, options.scope));
  FEDERITY_ASSIGN_OR_RETURN(const v1::Member member, FindMember(session, options.member));
  v1::SetMemberRoleRequest request;
  request.set_name(member.name());
  request.set_role(role);
  request.set_request_id(crypto::RandomUuid());
  FEDERITY_ASSIGN_OR_RETURN(const v1::Member changed, session.Call(&Stub::SetMemberRole, request));
  cli.output.Line(StrCat(ShortId(changed.name()), " of ",
                         terminal::Printable(changed.organization_display_name()), " is ",
                         RoleText(changed.role()), " now, was ", RoleText(member.role()), "."));
  cli.output.Document(terminal::ToJson(changed));
  return absl::OkStatus();
}

absl::Status Remove(CliContext& cli, const MemberOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenScope(cli, options.scope));
  FEDERITY_ASSIGN_OR_RETURN(const v1::Member member, FindMember(session, options.member));
  FEDERITY_RETURN_IF_ERROR(terminal::Confirm(
      cli.output,
      StrCat("Remove ", KindText(member.kind()), " ", ShortId(member.name()), " of ",
             member.organization_display_name(), " from ", options.scope, "?"),
      options.yes));
  v1::RemoveMemberRequest request;
  request.set_name(member.name());
  request.set_withdraw(true);
  request.set_request_id(crypto::RandomUuid());
  FEDERITY_RETURN_IF_ERROR(session.Call(&Stub::RemoveMember, request).status());
  cli.output.Line(StrCat("Removed ", ShortId(member.name()),
                         ". It can call nothing any more; what it contributed to finished rounds "
                         "stays attributed to it."));
  cli.output.Document({{"removed", member.name()}});
  return absl::OkStatus();
}

// Ends the user's own membership in exactly this scope, there and here.
absl::Status Leave(CliContext& cli, const MemberOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const std::string scope, ScopeName(options.scope));
  FEDERITY_ASSIGN_OR_RETURN(const identity::Identity self, MembershipFor(cli, options.scope));
  if (self.scope != scope) {
    return absl::FailedPreconditionError(
        StrCat("your rights in ", options.scope, " come from ", identity::ShortScope(self.scope),
               "; leave that with: federity leave ", identity::ShortScope(self.scope)));
  }
  FEDERITY_RETURN_IF_ERROR(terminal::Confirm(
      cli.output, StrCat("Leave ", options.scope, "? Coming back needs a new link."), options.yes));
  FEDERITY_RETURN_IF_ERROR(
      identity::EndMembership(cli.store, self, options.withdraw, PatientCall(cli, self.address)));
  FEDERITY_RETURN_IF_ERROR(cli.store.Remove(self.id));
  cli.output.Line(StrCat("Left ", options.scope, "; the keys for it are wiped."));
  cli.output.Document({{"left", scope}});
  return absl::OkStatus();
}

CLI::App* AddOne(Commands& commands, CLI::App& parent, const char* name, const char* what,
                 MemberOptions& options, absl::Status (*run)(CliContext&, const MemberOptions&),
                 const std::shared_ptr<MemberOptions>& shared) {
  auto* command = parent.add_subcommand(name, what);
  command->add_option("REPO", options.scope, "OWNER/NAME, an organisation, or server")
      ->required()
      ->check(IsScope());
  commands.On(command, [shared, run](CliContext& cli) { return run(cli, *shared); });
  return command;
}

}  // namespace

absl::StatusOr<v1::Member> FindMember(const Session& session, std::string_view text) {
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<v1::Member> members, ListMembers(session, false));
  const v1::Member* found = nullptr;
  for (const v1::Member& member : members) {
    if (member.name() == text) return member;
    if (text.size() < 4 || !LastSegment(member.name()).starts_with(text)) continue;
    if (found) {
      return absl::FailedPreconditionError(
          StrCat("'", text, "' fits several members; write more of its identifier"));
    }
    found = &member;
  }
  if (found) return *found;
  return Error(v1::ERROR_REASON_NOT_FOUND,
               StrCat("no member '", text, "' in ", identity::ShortScope(session.scope()),
                      "; federity member list shows their identifiers"));
}

void AddMemberCommands(Commands& commands) {
  auto* member = commands.app.add_subcommand("member", "Members: list, set-role, remove");
  member->group(kGroupPeople)->require_subcommand(1);
  const auto o = std::make_shared<MemberOptions>();
  AddOne(commands, *member, "list", "Who is in, seen when, approved or not, with how much data", *o,
         List, o)
      ->add_flag("--removed", o->removed, "Also those that were removed");
  auto* set_role = AddOne(commands, *member, "set-role", "Change a member's role", *o, SetRole, o);
  set_role->add_option("MEMBER", o->member, "Its identifier or the beginning of it")->required();
  set_role->add_option("ROLE", o->role, "owner, maintainer, contributor, viewer, auditor")
      ->required()
      ->check(IsRole());
  auto* remove = AddOne(commands, *member, "remove", "Remove a member at once", *o, Remove, o);
  remove->add_option("MEMBER", o->member, "Its identifier or the beginning of it")->required();
  remove->add_flag("--yes", o->yes, "Do not ask");

  auto* leave = AddOne(commands, commands.app, "leave", "End your own membership", *o, Leave, o);
  leave->group(kGroupPeople);
  leave->add_flag("--withdraw", o->withdraw, "Also from a round that has not merged yet");
  leave->add_flag("--yes", o->yes, "Do not ask");
}

}  // namespace federity::cli
