#ifndef FEDERITY_SERVER_STATISTICS_STATISTICS_RUN_H_
#define FEDERITY_SERVER_STATISTICS_STATISTICS_RUN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/secret.h"
#include "federity/v1/statistics.pb.h"
#include "server/store/database.h"

namespace federity::statistics {

// Federated statistics: COLLECTING until agents are ready and every one that was
// asked has answered, or the deadline of either passed; then FROZEN (a signed
// standardisation is in force) or FAILED. The sums are exact integers, so the
// result does not depend on the order of answers; they are deleted when the run
// ends. All functions work within the caller's transaction.

// A contributor with fewer values than this of some feature abstains: sums over
// few rows tell about single ones.
inline constexpr int64_t kMinRows = 20;
// How long agents have to get ready, unless the plan's rounds wait less, and then
// to answer.
inline constexpr absl::Duration kRecruitTime = absl::Minutes(2);
inline constexpr absl::Duration kRunTime = absl::Minutes(2);

struct RunRow {
  std::string repository;       // UUID
  std::string repository_name;  // resource name
  std::string organization;     // that owns the repository
  int64_t number = 0;
  v1::StatisticsRun::State state = v1::StatisticsRun::COLLECTING;
  std::string plan_digest;
  std::optional<std::string> standardisation_digest;
  std::string failure;
  std::string failure_members;  // for maintainers: who was not ready
  bool recruiting = false;
  absl::Time created;
  absl::Time deadline;  // of recruiting, then of the answers
  int64_t asked = 0;
  int64_t answered = 0;  // with sums
  int64_t abstained = 0;

  std::string name() const;
};

// An agent that is connected and has approved plan and program.
struct Asked {
  std::string member;  // UUID
};

// Starts a run, which recruits. `organizations` is how many have agents that could
// ever take part.
//   PLAN_INVALID          the plan does not standardise by federated statistics
//   ROUND_IN_PROGRESS     another run collects
//   TOO_FEW_MEMBERS       fewer organisations than round.min_contributions
// Locks the repository's row.
absl::StatusOr<RunRow> StartRun(store::Transaction& transaction, std::string_view repository,
                                int64_t organizations, std::string_view creator, absl::Time now);

// NOT_FOUND. Number 0 is the newest.
absl::StatusOr<RunRow> GetRun(store::Transaction& transaction, std::string_view repository,
                              int64_t number);

// A member's answer, kept under the key file until the run ends. Too few values
// count as abstaining, whatever it sent.
//   NOT_FOUND                it was not asked
//   CONTRIBUTION_LATE        the run ended
//   CONTRIBUTION_DUPLICATE   it answered before
//   INVALID_ARGUMENT         not one sum a feature, or impossible sums
absl::Status SubmitAnswer(store::Transaction& transaction, std::string_view repository,
                          std::string_view member, int64_t number,
                          const v1::SubmitStatisticsRequest& request,
                          const crypto::Secret& key_file, absl::Time now);

// Looks at one run that is due: asks its agents, or ends it; false if none is due.
// `recruit` says whom a run that recruits asks; `sign` is the coordinator's
// signature.
struct Recruited {
  std::vector<Asked> asked;
  std::optional<absl::Time> look_again;  // not yet
  std::string failure;                   // nobody: why, and who was not ready
  std::string failure_members;
};
using Recruit = std::function<absl::StatusOr<Recruited>(store::Transaction&, const RunRow&)>;
using Sign = std::function<std::string(std::string_view label, std::string_view message)>;
absl::StatusOr<bool> StepRun(store::Transaction& transaction, const Recruit& recruit,
                             const Sign& sign, const crypto::Secret& key_file, absl::Time now);

// When StepRun must look next; nullopt: nothing collects.
absl::StatusOr<std::optional<absl::Time>> NextDue(store::Transaction& transaction);

// Ends every run that is not over as failed, for this reason.
absl::Status FailRuns(store::Transaction& transaction, std::string_view failure, absl::Time now);

// Seals the sums that are kept by another key file.
absl::Status RewrapSums(store::Transaction& transaction, const crypto::Secret& old_key_file,
                        const crypto::Secret& new_key_file);

}  // namespace federity::statistics

#endif  // FEDERITY_SERVER_STATISTICS_STATISTICS_RUN_H_
