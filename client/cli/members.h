#ifndef FEDERITY_CLIENT_CLI_MEMBERS_H_
#define FEDERITY_CLIENT_CLI_MEMBERS_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "client/cli/session.h"
#include "federity/v1/membership.pb.h"

namespace federity::cli {

// The member of the session's scope that `text` means: a whole resource name,
// its UUID, or the beginning of one (at least four digits). NOT_FOUND, or
// FAILED_PRECONDITION when several fit.
absl::StatusOr<v1::Member> FindMember(const Session& session, std::string_view text);

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_MEMBERS_H_
