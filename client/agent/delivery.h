#ifndef FEDERITY_CLIENT_AGENT_DELIVERY_H_
#define FEDERITY_CLIENT_AGENT_DELIVERY_H_

#include <string_view>

#include "absl/status/status.h"
#include "client/agent/cancellation.h"
#include "client/agent/context.h"
#include "client/agent/progress_reporter.h"

namespace federity::agent {

// Brings an outbox entry to the coordinator from the step where it stands:
// upload, submit, learn the outcome. Each step is recorded before the next, with
// request ids that were stored before the first attempt, so that it can be cut
// anywhere and begun again. OK: the entry is settled, one way or the other, and
// gone. CANCELLED: `cancellation` said so; the entry is kept only if this
// process stops. Other errors: worth another attempt later.
absl::Status Deliver(Context& context, ProgressReporter& progress, std::string_view contribution,
                     const Cancellation& cancellation);

// Tells the coordinator that an assignment is given up, as well as it can be
// told now; the coordinator otherwise notices the silence.
void Abandon(Context& context, std::string_view identity, std::string_view contribution,
             std::string_view reason);

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_DELIVERY_H_
