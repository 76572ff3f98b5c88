#ifndef FEDERITY_SERVER_ROUNDS_TOPICS_H_
#define FEDERITY_SERVER_ROUNDS_TOPICS_H_

#include <string>
#include <string_view>

#include "common/base/strings.h"
#include "server/repositories/repositories.h"

namespace federity::rounds {

// Topics of Database::Subscribe.

// Work for the round workers.
inline constexpr std::string_view kRoundsTopic = "rounds";
// State of a repository changed: commits, plan, rounds, contributions, runs.
using repositories::RepositoryTopic;
// Only progress changed, or an agent came or went: for those who watch a round.
// Apart from the above, so that progress does not wake every agent's stream.
inline std::string ProgressTopic(std::string_view repository_id) {
  return StrCat("progress:", repository_id);
}
// A member's row changed.
inline std::string MemberTopic(std::string_view member_id) { return StrCat("member:", member_id); }

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_TOPICS_H_
