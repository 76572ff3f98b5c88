#ifndef FEDERITY_CLIENT_AGENT_CONTEXT_H_
#define FEDERITY_CLIENT_AGENT_CONTEXT_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/agent/config.h"
#include "client/identity/identity_store.h"
#include "client/state/agent_state.h"
#include "client/state/journal.h"
#include "client/state/outbox.h"
#include "client/trainer/supervisor.h"
#include "common/base/clock.h"
#include "federity/worker/v1/worker.pb.h"

namespace federity::agent {

// trainer::RunJob; tests put a fake in its place.
using RunJob = std::function<absl::StatusOr<worker::v1::Result>(const worker::v1::Request&,
                                                                const trainer::JobOptions&)>;

// What the agent's parts work with; all of it outlives them. Its members are
// thread-safe.
struct Context {
  state::Paths paths;
  Config config;
  identity::IdentityStore& identities;
  state::AgentState& state;
  state::Outbox& outbox;
  state::Journal& journal;
  RunJob run_job;
  const Clock& clock = Clock::System();
  absl::TimeZone zone = absl::LocalTimeZone();
  // The first pause after a broken connection or transfer.
  absl::Duration first_pause = absl::Seconds(1);
};

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_CONTEXT_H_
