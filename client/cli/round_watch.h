#ifndef FEDERITY_CLIENT_CLI_ROUND_WATCH_H_
#define FEDERITY_CLIENT_CLI_ROUND_WATCH_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cli/session.h"

namespace federity::cli {

// Shows a round, and the further rounds of its series, until they end: a table
// redrawn on a terminal, lines elsewhere, a JSON document a line with --json.
// A broken stream is opened again, for up to `patience` without a sign of life.
// Returns the exit status: 0 if the last round committed, else 1.
absl::StatusOr<int> WatchRound(CliContext& cli, const Session& session, std::string name,
                               absl::Duration patience = absl::Minutes(10));

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_ROUND_WATCH_H_
