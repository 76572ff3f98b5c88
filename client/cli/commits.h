#ifndef FEDERITY_CLIENT_CLI_COMMITS_H_
#define FEDERITY_CLIENT_CLI_COMMITS_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "client/cli/session.h"
#include "federity/v1/commits.grpc.pb.h"

namespace federity::cli {

// The repository of "o/r@COMMIT".
absl::StatusOr<Session> OpenCommitScope(CliContext& cli, std::string_view text);

// That, and the commit meant, under its digest.
struct OpenedCommit {
  Session session;
  v1::Commit commit;
};
absl::StatusOr<OpenedCommit> OpenCommit(CliContext& cli, std::string_view text);

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_COMMITS_H_
