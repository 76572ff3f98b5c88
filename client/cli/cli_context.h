#ifndef FEDERITY_CLIENT_CLI_CLI_CONTEXT_H_
#define FEDERITY_CLIENT_CLI_CLI_CONTEXT_H_

#include <filesystem>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/identity/identity_store.h"
#include "client/terminal/output.h"
#include "client/trainer/supervisor.h"
#include "common/base/clock.h"

namespace federity::cli {

// What every command works with. What it refers to must outlive it. Not
// thread-safe.
struct CliContext {
  std::filesystem::path home;  // $FEDERITY_HOME, else ~/.config/federity
  identity::IdentityStore& store;
  terminal::Output output;
  const Clock& clock = Clock::System();
  // Runs a job in the sandboxed trainer; tests put their own here.
  std::function<absl::StatusOr<worker::v1::Result>(const worker::v1::Request&,
                                                   const trainer::JobOptions&)>
      run_job = trainer::RunJob;
  // How long a call is repeated while the coordinator does not answer.
  absl::Duration patience = absl::Seconds(30);
};

// $FEDERITY_HOME, else $XDG_CONFIG_HOME/federity, else ~/.config/federity.
absl::StatusOr<std::filesystem::path> HomeDirectory();

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_CLI_CONTEXT_H_
