#ifndef FEDERITY_CLIENT_CLI_ROUND_VIEW_H_
#define FEDERITY_CLIENT_CLI_ROUND_VIEW_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/terminal/json.h"
#include "federity/v1/rounds.pb.h"

namespace federity::cli {

bool HasEnded(const v1::Round& round);
// Contributions in a state; 0 where the coordinator did not count.
int Count(const v1::Round& round, v1::Contribution::State state);

// The round, with `accepted`: the number of contributions in the merge.
terminal::Json RoundJson(const v1::Round& round);

// "round 3 of 5: TRAINING, 2 of 3 accepted, 4 min left", or how it ended.
std::string RoundHeadline(const v1::Round& round, absl::Time now);

// The headline, what it waits for, and a line a member: what a terminal shows
// and redraws.
std::vector<std::string> RoundLines(const v1::Round& round, absl::Time now);

// The same for a log: what changed since the last call, figures of progress
// apart (they would be a line a second). Not thread-safe.
class RoundLog {
 public:
  std::vector<std::string> Changes(const v1::Round& round, absl::Time now);

 private:
  std::string round_;
  std::string headline_;
  std::string waiting_;
  std::map<std::string, std::string> statuses_;  // by member, without digits
};

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_ROUND_VIEW_H_
