#ifndef FEDERITY_CLIENT_AGENT_COMMANDS_H_
#define FEDERITY_CLIENT_AGENT_COMMANDS_H_

#include <atomic>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "client/agent/agent.h"
#include "client/agent/context.h"
#include "client/identity/identity_store.h"
#include "client/state/json_reader.h"
#include "common/plan/plan.h"

namespace federity::agent {

// What a command works on: the agent's state and, in the daemon, the agent.
struct CommandContext {
  Context& context;
  const Agent* live = nullptr;
  // True: a command that takes long ends with CANCELLED.
  std::atomic<bool> stopping = false;
};

// Runs one of federity-agent's commands. The same code runs in the daemon, for
// requests on its socket, and in the program itself while no daemon runs. Never
// interactive; arguments and result are JSON, rendered by render.h. Errors say
// what to do. Thread-safe.
absl::StatusOr<nlohmann::json> Execute(CommandContext& commands, std::string_view command,
                                       const nlohmann::json& arguments);

// Whether the command changes nothing and so needs no lock.
bool IsReadOnly(std::string_view command, const nlohmann::json& arguments);

// One function a command; `arguments` is checked for types after it was read.
using CommandFunction = absl::StatusOr<nlohmann::json> (*)(CommandContext& commands,
                                                           state::JsonReader& arguments);
absl::StatusOr<nlohmann::json> AddDataset(CommandContext& commands, state::JsonReader& arguments);
absl::StatusOr<nlohmann::json> ListDatasets(CommandContext& commands, state::JsonReader& arguments);
absl::StatusOr<nlohmann::json> CheckDataset(CommandContext& commands, state::JsonReader& arguments);
absl::StatusOr<nlohmann::json> RefreshDatasets(CommandContext& commands,
                                               state::JsonReader& arguments);
absl::StatusOr<nlohmann::json> RemoveDataset(CommandContext& commands,
                                             state::JsonReader& arguments);
absl::StatusOr<nlohmann::json> Approve(CommandContext& commands, state::JsonReader& arguments);
absl::StatusOr<nlohmann::json> Revoke(CommandContext& commands, state::JsonReader& arguments);
absl::StatusOr<nlohmann::json> Status(CommandContext& commands, state::JsonReader& arguments);

// The membership that the argument `repository` ("o/r") names; if it is left
// out, the only one that there is.
absl::StatusOr<identity::Identity> MembershipOf(CommandContext& commands,
                                                state::JsonReader& arguments);

// The repository's plan in force, checked and with its digest taken here.
struct CurrentPlan {
  Plan plan;
  std::string toml;  // canonical
  std::string digest;
};
absl::StatusOr<CurrentPlan> FetchPlan(CommandContext& commands, const identity::Identity& identity);

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_COMMANDS_H_
