#ifndef FEDERITY_CLIENT_CLI_DOCTOR_H_
#define FEDERITY_CLIENT_CLI_DOCTOR_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/cli_context.h"
#include "client/identity/identity_store.h"
#include "common/crypto/digest.h"
#include "federity/v1/server.pb.h"

namespace federity::cli {

// One thing that was looked at.
struct Check {
  enum class State { kOk, kNote, kFailed };
  std::string subject;  // an address of the coordinator, or "this machine"
  std::string name;
  State state = State::kOk;
  std::string detail;
};
using Checks = std::vector<Check>;

// What is known of a coordinator before it is asked.
struct Target {
  std::vector<std::string> addresses;            // of its replicas; not empty
  std::optional<crypto::Digest> ca_fingerprint;  // from a link or a membership
  std::optional<identity::Identity> identity;
};

// The way to each address, step by step until one fails: name, port, TLS, CA, names,
// dates; with a membership also sign-in, clock and versions, over any that is good.
void CheckCoordinator(CliContext& cli, const Target& target, Checks& checks);
// Disk space, the trainer and the layers of its sandbox.
void CheckMachine(CliContext& cli, Checks& checks);

// What the coordinator's information says against this machine's.
Check CheckClock(absl::Time ours, absl::Time theirs);
Check CheckVersion(std::string_view ours, const v1::ServerInfo& info);

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_DOCTOR_H_
