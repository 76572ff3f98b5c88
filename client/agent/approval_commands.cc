#include "absl/time/time.h"
#include "client/agent/approval.h"
#include "client/agent/commands.h"
#include "client/agent/names.h"
#include "client/identity/call.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/config/strict_toml.h"
#include "common/crypto/digest.h"
#include "federity/v1/repositories.grpc.pb.h"

namespace federity::agent {
namespace {

using nlohmann::json;
using state::JsonReader;

// What there is to approve now.
struct Offer {
  CurrentPlan plan;
  std::string program_digest;
  std::string digest;
  std::vector<std::string> privacy_lines;
};

absl::StatusOr<Offer> FetchOffer(CommandContext& commands, const identity::Identity& identity) {
  FEDERITY_ASSIGN_OR_RETURN(const auto channel, commands.context.identities.Connect(identity.id));
  v1::GetRepositoryRequest request;
  request.set_name(identity.scope);
  FEDERITY_ASSIGN_OR_RETURN(const v1::Repository repository,
                            identity::Call(*v1::RepositoryService::NewStub(channel),
                                           &v1::RepositoryService::Stub::GetRepository, request));
  if (repository.program_digest().empty())
    return absl::FailedPreconditionError(
        StrCat(ShortName(identity.scope),
               " has no commit yet, so there is no program to approve; try again later"));
  Offer offer;
  FEDERITY_ASSIGN_OR_RETURN(offer.plan, FetchPlan(commands, identity));
  offer.program_digest = repository.program_digest();
  FEDERITY_ASSIGN_OR_RETURN(offer.digest, ApprovalDigest(offer.plan.digest, offer.program_digest));
  offer.privacy_lines.assign(repository.privacy_lines().begin(), repository.privacy_lines().end());
  return offer;
}

// What goes out once this is approved, from what this program does.
std::vector<std::string> WhatLeaves(const Plan& plan) {
  std::vector<std::string> lines = {
      "each round: the difference between the weights before and after training here, and the "
      "number of rows trained on",
      "each round and for new versions: loss and confusion counts, summed over this machine's "
      "hold-out rows",
      "always: each data set's name, kind and number of rows, this agent's version, and when it "
      "is ready"};
  if (plan.data.standardise == Plan::Standardise::kFederated)
    lines.emplace_back(
        "when a maintainer asks: sum and sum of squares of each feature over all rows (never for "
        "fewer than 20 rows)");
  return lines;
}

absl::StatusOr<state::Limits> ReadLimits(JsonReader& arguments, absl::Time now) {
  state::Limits limits;
  limits.rounds = arguments.Integer("rounds");
  if (limits.rounds < 0) return InvalidArgument("rounds", "--rounds must be at least 1");
  if (const std::string life = arguments.String("expires"); !life.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(const absl::Duration duration, config::ParseDuration(life));
    if (duration <= absl::ZeroDuration() || duration > absl::Hours(24 * 3650))
      return InvalidArgument("expires", "--expires must be more than 0 and at most 3650d");
    limits.expires = now + duration;
  }
  if (const std::string hours = arguments.String("hours"); !hours.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(limits.hours, state::ParseHours(hours));
  }
  const int64_t cpus = arguments.Integer("cpus");
  if (cpus < 0 || cpus > 1024) return InvalidArgument("cpus", "--cpus must be 1 to 1024");
  limits.cpus = static_cast<int32_t>(cpus);
  if (const std::string memory = arguments.String("memory"); !memory.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(limits.memory_bytes, ParseBytes(memory));
  }
  FEDERITY_RETURN_IF_ERROR(arguments.status());
  return limits;
}

json Describe(const state::Membership& membership, const identity::Identity& identity,
              const Offer& offer, const state::Limits& limits) {
  json sets = json::array();
  for (const state::Dataset& dataset : membership.datasets)
    sets.push_back({{"label", dataset.label},
                    {"kind", datasets::KindOf(dataset.source)},
                    {"rows", dataset.rows},
                    {"path", dataset.source.path}});
  json description = {{"repository", ShortName(identity.scope)},
                      {"coordinator", identity.address},
                      {"approval_digest", offer.digest},
                      {"plan", offer.plan.toml},
                      {"plan_digest", offer.plan.digest},
                      {"program_digest", offer.program_digest},
                      {"warnings", PlanWarnings(offer.plan.plan)},
                      {"privacy", offer.privacy_lines},
                      {"leaves", WhatLeaves(offer.plan.plan)},
                      {"datasets", std::move(sets)},
                      {"limits", ToJson(limits)},
                      {"approved", false}};
  if (membership.approval) {
    const absl::StatusOr<Plan> before = ParsePlan(membership.approval->plan_toml);
    description["approved"] = membership.approval->plan_digest == offer.plan.digest &&
                              membership.approval->program_digest == offer.program_digest;
    if (before.ok()) description["changes"] = PlanDifferences(*before, offer.plan.plan);
    description["program_changed"] = membership.approval->program_digest != offer.program_digest;
  }
  return description;
}

}  // namespace

absl::StatusOr<json> Approve(CommandContext& commands, JsonReader& arguments) {
  Context& context = commands.context;
  FEDERITY_ASSIGN_OR_RETURN(const identity::Identity identity, MembershipOf(commands, arguments));
  FEDERITY_ASSIGN_OR_RETURN(const state::Limits limits, ReadLimits(arguments, context.clock.Now()));
  FEDERITY_ASSIGN_OR_RETURN(const Offer offer, FetchOffer(commands, identity));
  json description = Describe(context.state.Get(identity.id), identity, offer, limits);
  if (arguments.Boolean("show")) return description;
  const std::string digest = arguments.String("digest");
  FEDERITY_RETURN_IF_ERROR(arguments.status());
  FEDERITY_RETURN_IF_ERROR(crypto::ParseDigest(digest).status());
  if (digest != offer.digest)
    return absl::FailedPreconditionError(StrCat(
        "the digest given is not that of the repository's present plan and program, ", offer.digest,
        "; look at them with `federity-agent approve ", ShortName(identity.scope), " --show`"));
  FEDERITY_RETURN_IF_ERROR(context.state.Update(identity.id, [&](state::Membership& membership) {
    membership.repository = identity.scope;
    membership.plan_digest = offer.plan.digest;
    membership.program_digest = offer.program_digest;
    membership.approval = state::Approval{.plan_digest = offer.plan.digest,
                                          .program_digest = offer.program_digest,
                                          .plan_toml = offer.plan.toml,
                                          .time = context.clock.Now(),
                                          .limits = limits};
    return absl::OkStatus();
  }));
  context.journal.Append("approved", ShortName(identity.scope), offer.digest);
  description["approved"] = true;
  return description;
}

absl::StatusOr<json> Revoke(CommandContext& commands, JsonReader& arguments) {
  FEDERITY_ASSIGN_OR_RETURN(const identity::Identity identity, MembershipOf(commands, arguments));
  FEDERITY_RETURN_IF_ERROR(
      commands.context.state.Update(identity.id, [](state::Membership& membership) {
        if (!membership.approval)
          return absl::FailedPreconditionError("nothing is approved for this repository");
        membership.approval.reset();
        return absl::OkStatus();
      }));
  commands.context.journal.Append("revoked", ShortName(identity.scope), "");
  return json{{"repository", ShortName(identity.scope)}};
}

}  // namespace federity::agent
