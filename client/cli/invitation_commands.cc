// org invite; invite; invitation list, revoke.
#include <memory>

#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/members.h"
#include "client/cli/session.h"
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

struct InviteOptions {
  std::string scope;
  std::string role;
  std::string organization;
  std::string kind;
  std::string expires = "7d";
  int32_t count = 1;
  std::string replace;
  std::string invitation;  // of revoke
};

std::string InvitationState(const v1::Invitation& invitation, absl::Time now) {
  if (invitation.revoked()) return "revoked";
  if (invitation.used() >= invitation.count()) return "used up";
  return terminal::ToTime(invitation.expire_time()) <= now ? "expired" : "open";
}

// The link alone goes to standard output, so that it can be piped.
void ShowLink(CliContext& cli, const v1::CreateInvitationResponse& response) {
  const v1::Invitation& invitation = response.invitation();
  const bool agent = invitation.kind() == v1::MEMBER_KIND_AGENT;
  if (!cli.output.json) {
    const std::string how_many =
        invitation.count() == 1 ? "one" : StrCat("up to ", invitation.count());
    cli.output.Note(StrCat("A link for ", how_many, " ", KindText(invitation.kind()), " of ",
                           terminal::Printable(invitation.organization_display_name()), " as ",
                           RoleText(invitation.role()), ", until ",
                           terminal::FormatTime(terminal::ToTime(invitation.expire_time())),
                           ", shown this once:"));
    cli.output.Line(terminal::Printable(response.link()));
    cli.output.Note(StrCat("Hand it over where nobody else reads it. They run: ",
                           agent ? "federity-agent" : "federity", " join 'LINK'"));
  }
  Json document = terminal::ToJson(invitation);
  document["link"] = response.link();
  cli.output.Document(document);
}

absl::Status CreateInvitation(CliContext& cli, const Session& session,
                              v1::CreateInvitationRequest request, const InviteOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const int64_t seconds, ParseSeconds(options.expires));
  request.set_lifetime_seconds(seconds);
  request.set_count(options.count);
  request.set_request_id(crypto::RandomUuid());
  FEDERITY_ASSIGN_OR_RETURN(const v1::CreateInvitationResponse response,
                            session.Call(&Stub::CreateInvitation, request));
  ShowLink(cli, response);
  return absl::OkStatus();
}

// By the coordinator's administrator for the first owner, then by an owner.
absl::Status OrgInvite(CliContext& cli, const InviteOptions& options) {
  const std::string id = IdentifierFromDisplayName(options.organization);
  if (!IsIdentifier(id)) {
    return InvalidArgument(
        "organization",
        StrCat("'", options.organization,
               id.empty() ? "' holds no letter or digit to name it by"
                          : "' is too long: its letters and digits make more than 63 characters"));
  }
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenScope(cli, id));
  v1::CreateInvitationRequest request;
  request.set_parent(StrCat("organizations/", id));
  request.set_organization_display_name(options.organization);
  request.set_role(v1::ROLE_OWNER);
  request.set_kind(v1::MEMBER_KIND_PERSON);
  return CreateInvitation(cli, session, request, options);
}

absl::Status Invite(CliContext& cli, const InviteOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const v1::Role role, ParseRole(options.role));
  // Contributors are agents unless said otherwise, everybody else is a person.
  v1::MemberKind kind =
      role == v1::ROLE_CONTRIBUTOR ? v1::MEMBER_KIND_AGENT : v1::MEMBER_KIND_PERSON;
  if (!options.kind.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(kind, ParseKind(options.kind));
  }
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, options.scope));
  v1::CreateInvitationRequest request;
  request.set_parent(session.scope());
  request.set_organization_display_name(options.organization);
  request.set_role(role);
  request.set_kind(kind);
  if (!options.replace.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(const v1::Member member, FindMember(session, options.replace));
    request.set_replaces(member.name());
  }
  return CreateInvitation(cli, session, request, options);
}

absl::StatusOr<std::vector<v1::Invitation>> ListInvitations(const Session& session) {
  v1::ListInvitationsRequest request;
  request.set_parent(session.scope());
  return session.List(&Stub::ListInvitations, request, &v1::ListInvitationsResponse::invitations);
}

absl::Status List(CliContext& cli, const InviteOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenScope(cli, options.scope));
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<v1::Invitation> all, ListInvitations(session));
  terminal::Table table({{"INVITATION"},
                         {"ORGANISATION"},
                         {"ROLE"},
                         {"FOR"},
                         {"USED", terminal::Align::kRight},
                         {"STATE"},
                         {"MADE"},
                         {"EXPIRES"}});
  Json list = Json::array();
  for (const v1::Invitation& one : all) {
    table.Add({ShortId(one.name()), one.organization_display_name(), RoleText(one.role()),
               KindText(one.kind()), StrCat(one.used(), "/", one.count()),
               InvitationState(one, cli.clock.Now()),
               terminal::FormatTime(terminal::ToTime(one.create_time())),
               terminal::FormatTime(terminal::ToTime(one.expire_time()))});
    list.push_back(terminal::ToJson(one));
  }
  cli.output.Show(table, "No invitations.");
  cli.output.Document({{"invitations", std::move(list)}});
  return absl::OkStatus();
}

absl::Status Revoke(CliContext& cli, const InviteOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenScope(cli, options.scope));
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<v1::Invitation> all, ListInvitations(session));
  std::vector<std::string> fitting;
  for (const v1::Invitation& one : all) {
    const bool prefix =
        options.invitation.size() >= 4 && LastSegment(one.name()).starts_with(options.invitation);
    if (prefix || one.name() == options.invitation) fitting.push_back(one.name());
  }
  if (fitting.size() != 1) {
    return Error(v1::ERROR_REASON_NOT_FOUND,
                 StrCat(fitting.empty() ? "no invitation fits '" : "several invitations fit '",
                        options.invitation,
                        "'; federity invitation list shows their identifiers"));
  }
  v1::RevokeInvitationRequest request;
  request.set_name(fitting.front());
  request.set_request_id(crypto::RandomUuid());
  FEDERITY_ASSIGN_OR_RETURN(const v1::Invitation revoked,
                            session.Call(&Stub::RevokeInvitation, request));
  cli.output.Line(StrCat("Revoked. ", revoked.used(),
                         " joined with it and stay members; federity member remove ends that."));
  cli.output.Document(terminal::ToJson(revoked));
  return absl::OkStatus();
}

void AddLifetime(CLI::App* command, InviteOptions& options) {
  command->add_option("--expires", options.expires, "How long it can be used")
      ->check(IsTimeSpan())
      ->capture_default_str();
  command->add_option("--count", options.count, "How many may join with it")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
}

void AddInvite(Commands& commands) {
  auto* invite = commands.app.add_subcommand("invite", "A link for a member of a repository");
  invite->group(kGroupPeople);
  auto o = std::make_shared<InviteOptions>();
  invite->add_option("REPO", o->scope, "OWNER/NAME")->required()->check(IsRepository());
  invite->add_option("--role", o->role, "owner, maintainer, contributor, viewer, auditor")
      ->required()
      ->check(IsRole());
  invite->add_option("--org", o->organization, "The organisation's name as people write it")
      ->required();
  invite->add_option("--for", o->kind, "agent (default for contributors) or person")
      ->check(CLI::IsMember({"agent", "person"}));
  invite->add_option("--replace", o->replace,
                     "A member of that organisation that the new one replaces");
  AddLifetime(invite, *o);
  commands.On(invite, [o](CliContext& cli) { return Invite(cli, *o); });
}

}  // namespace

void AddInvitationCommands(Commands& commands) {
  auto* org = commands.app.add_subcommand("org", "Organisations: invite");
  org->group(kGroupPeople)->require_subcommand(1);
  auto o = std::make_shared<InviteOptions>();
  auto* org_invite = org->add_subcommand(
      "invite", "Make a namespace and a link for its first owner; as an owner, for further ones");
  org_invite->add_option("NAME", o->organization, "The organisation's name")->required();
  AddLifetime(org_invite, *o);
  commands.On(org_invite, [o](CliContext& cli) { return OrgInvite(cli, *o); });

  AddInvite(commands);

  auto* invitation = commands.app.add_subcommand("invitation", "Invitations: list, revoke");
  invitation->group(kGroupPeople)->require_subcommand(1);
  auto* list = invitation->add_subcommand("list", "Those of a repository or organisation");
  list->add_option("REPO", o->scope, "OWNER/NAME, an organisation, or server")
      ->required()
      ->check(IsScope());
  commands.On(list, [o](CliContext& cli) { return List(cli, *o); });
  auto* revoke = invitation->add_subcommand("revoke", "Make a link useless");
  revoke->add_option("REPO", o->scope, "OWNER/NAME, an organisation, or server")
      ->required()
      ->check(IsScope());
  revoke->add_option("INVITATION", o->invitation, "Its identifier or the beginning of it")
      ->required();
  commands.On(revoke, [o](CliContext& cli) { return Revoke(cli, *o); });
}

}  // namespace federity::cli
