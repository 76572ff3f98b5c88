#include "client/agent/commands.h"

#include <array>

#include "client/agent/names.h"
#include "client/identity/call.h"
#include "client/identity/enrolment.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/base/version.h"
#include "common/rpc/join_link.h"
#include "federity/v1/plans.grpc.pb.h"

namespace federity::agent {
namespace {

using nlohmann::json;
using state::JsonReader;

json Describe(const identity::Identity& identity) {
  return {{"repository", ShortName(identity.scope)},
          {"coordinator", identity.address},
          {"organization", identity.organization_display_name},
          {"certificate_expires", state::TimeText(identity.expire_time)}};
}

absl::StatusOr<json> Join(CommandContext& commands, JsonReader& arguments) {
  FEDERITY_ASSIGN_OR_RETURN(const rpc::JoinLink link, rpc::ParseJoinLink(arguments.String("link")));
  Context& context = commands.context;
  FEDERITY_ASSIGN_OR_RETURN(const identity::Identity identity,
                            context.identities.Join(link, v1::MEMBER_KIND_AGENT, kVersion));
  FEDERITY_RETURN_IF_ERROR(context.state.Update(identity.id, [&](state::Membership& membership) {
    membership.repository = identity.scope;
    return absl::OkStatus();
  }));
  context.journal.Append(
      "joined", ShortName(identity.scope),
      StrCat("as ", identity.organization_display_name, " at ", identity.address));
  return Describe(identity);
}

absl::StatusOr<json> SetPaused(CommandContext& commands, JsonReader& arguments, bool paused) {
  Context& context = commands.context;
  const std::string_view event = paused ? "paused" : "resumed";
  if (!arguments.Has("repository")) {
    FEDERITY_RETURN_IF_ERROR(context.state.SetPaused(paused));
    context.journal.Append(event, "", "the whole agent");
    return json{{"paused", paused}};
  }
  FEDERITY_ASSIGN_OR_RETURN(const identity::Identity identity, MembershipOf(commands, arguments));
  FEDERITY_RETURN_IF_ERROR(context.state.Update(identity.id, [&](state::Membership& membership) {
    membership.paused = paused;
    return absl::OkStatus();
  }));
  context.journal.Append(event, ShortName(identity.scope), "");
  return json{{"paused", paused}, {"repository", ShortName(identity.scope)}};
}

absl::StatusOr<json> Pause(CommandContext& commands, JsonReader& arguments) {
  return SetPaused(commands, arguments, true);
}

absl::StatusOr<json> Resume(CommandContext& commands, JsonReader& arguments) {
  return SetPaused(commands, arguments, false);
}

absl::StatusOr<json> Leave(CommandContext& commands, JsonReader& arguments) {
  FEDERITY_ASSIGN_OR_RETURN(const identity::Identity identity, MembershipOf(commands, arguments));
  const bool withdraw = arguments.Boolean("withdraw");
  Context& context = commands.context;
  if (absl::Status status = identity::EndMembership(context.identities, identity, withdraw, {});
      !status.ok())
    return Annotate(status, StrCat("nothing was left, because the coordinator at ",
                                   identity.address, " did not agree"));
  FEDERITY_RETURN_IF_ERROR(context.identities.Remove(identity.id));
  FEDERITY_RETURN_IF_ERROR(context.state.Remove(identity.id));
  for (const state::OutboxEntry& entry : context.outbox.List())
    if (entry.identity == identity.id)
      FEDERITY_RETURN_IF_ERROR(context.outbox.Remove(entry.contribution));
  context.journal.Append("left", ShortName(identity.scope),
                         withdraw ? "and withdrew its contribution from an unmerged round" : "");
  return Describe(identity);
}

absl::StatusOr<json> Log(CommandContext& commands, JsonReader& arguments) {
  const int64_t count = arguments.Integer("count", 50);
  if (count < 1 || count > 10'000)
    return InvalidArgument("count", StrCat(count, " is not a number of lines; use 1 to 10000"));
  return json{{"entries", commands.context.journal.Tail(static_cast<size_t>(count))}};
}

struct Entry {
  std::string_view name;
  CommandFunction function;
  bool read_only = false;
};
constexpr std::array<Entry, 13> kCommands = {{{"join", Join},
                                              {"status", Status, true},
                                              {"pause", Pause},
                                              {"resume", Resume},
                                              {"leave", Leave},
                                              {"dataset add", AddDataset},
                                              {"dataset list", ListDatasets, true},
                                              {"dataset check", CheckDataset, true},
                                              {"dataset refresh", RefreshDatasets},
                                              {"dataset remove", RemoveDataset},
                                              {"approve", Approve},
                                              {"revoke", Revoke},
                                              {"log", Log, true}}};

const Entry* FindCommand(std::string_view name) {
  for (const Entry& entry : kCommands)
    if (entry.name == name) return &entry;
  return nullptr;
}

}  // namespace

bool IsReadOnly(std::string_view command, const json& arguments) {
  if (command == "approve") return JsonReader(arguments).Boolean("show");
  const Entry* entry = FindCommand(command);
  return entry != nullptr && entry->read_only;
}

absl::StatusOr<json> Execute(CommandContext& commands, std::string_view command,
                             const json& arguments) {
  const Entry* entry = FindCommand(command);
  if (entry == nullptr)
    return absl::UnimplementedError(StrCat("there is no command '", command.substr(0, 100),
                                           "'; program and daemon may be of different versions"));
  JsonReader reader(arguments);
  FEDERITY_RETURN_IF_ERROR(reader.status());
  return entry->function(commands, reader);
}

absl::StatusOr<identity::Identity> MembershipOf(CommandContext& commands, JsonReader& arguments) {
  identity::IdentityStore& identities = commands.context.identities;
  const std::string repository = arguments.String("repository");
  FEDERITY_RETURN_IF_ERROR(arguments.status());
  if (!repository.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(const std::string name, RepositoryNameFromShort(repository));
    return identities.ForScope(name);
  }
  FEDERITY_ASSIGN_OR_RETURN(std::vector<identity::Identity> all, identities.List());
  if (all.size() == 1) return std::move(all.front());
  if (all.empty())
    return absl::NotFoundError("this agent has joined nothing; run `federity-agent join LINK`");
  std::string names;
  for (const identity::Identity& identity : all)
    names += (names.empty() ? "" : ", ") + ShortName(identity.scope);
  return InvalidArgument("repository",
                         StrCat("this agent has several memberships; say which: ", names));
}

absl::StatusOr<CurrentPlan> FetchPlan(CommandContext& commands,
                                      const identity::Identity& identity) {
  FEDERITY_ASSIGN_OR_RETURN(const auto channel, commands.context.identities.Connect(identity.id));
  v1::GetPlanRequest request;
  request.set_name(StrCat(identity.scope, "/plans/current"));
  FEDERITY_ASSIGN_OR_RETURN(
      const v1::Plan response,
      identity::Call(*v1::PlanService::NewStub(channel), &v1::PlanService::Stub::GetPlan, request));
  absl::StatusOr<Plan> plan = ParsePlan(response.toml());
  if (!plan.ok())
    return Annotate(plan.status(), "this agent does not understand the repository's plan");
  CurrentPlan current{*std::move(plan), "", ""};
  current.toml = FormatPlan(current.plan);
  current.digest = PlanDigest(current.plan).ToString();
  return current;
}

}  // namespace federity::agent
