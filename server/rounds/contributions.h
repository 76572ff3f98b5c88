#ifndef FEDERITY_SERVER_ROUNDS_CONTRIBUTIONS_H_
#define FEDERITY_SERVER_ROUNDS_CONTRIBUTIONS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "federity/v1/contributions.pb.h"
#include "server/rounds/round_store.h"
#include "server/store/database.h"

namespace federity::rounds {

// What a member does with its contributions. Each function works within the
// caller's transaction. A contribution of another member is NOT_FOUND.

struct ContributionRef {
  std::string repository;       // UUID
  std::string repository_name;  // resource name
  int64_t round = 0;
  std::string id;
  std::string member;            // the caller
  std::string contribution_key;  // the caller's
};

// Takes a complete upload as the member's contribution; verification follows.
//   CONTRIBUTION_LATE        the round closed, the deadline passed, or it was
//                            given up before
//   CONTRIBUTION_DUPLICATE   it was handed in before
//   NOT_FOUND, UPLOAD_INCOMPLETE   the upload
// Impossible numbers and a wrong signature make the contribution REFUSED; the
// call succeeds, its answer says so.
absl::StatusOr<ContributionRow> SubmitContribution(store::Transaction& transaction,
                                                   const ContributionRef& ref,
                                                   const v1::SubmitContributionRequest& request,
                                                   absl::Time now);

// Gives it up. ROUND_STATE if it was handed in; OK if it ended before.
absl::StatusOr<ContributionRow> AbandonContribution(store::Transaction& transaction,
                                                    const ContributionRef& ref,
                                                    std::string_view reason, absl::Time now);

// Notes a sign of progress; the answer says whether it is still wanted.
absl::StatusOr<v1::ReportProgressResponse> ReportProgress(store::Transaction& transaction,
                                                          const ContributionRef& ref,
                                                          v1::ContributionPhase phase,
                                                          double fraction, absl::Time now);

// Bytes of a member's upload arrived: a sign of progress of its open contribution,
// if it has one. Touches that row alone, as ReportProgress does.
absl::Status NoteUpload(store::Transaction& transaction, std::string_view repository,
                        std::string_view member, absl::Time now);

// Keeps a member's measurement of a commit; a later one replaces it. An empty one
// only says that the member need not be asked again.
// METRICS_INVALID; NOT_FOUND for the commit.
absl::Status SubmitEvaluation(store::Transaction& transaction, std::string_view repository,
                              std::string_view commit_digest, std::string_view member,
                              const v1::Metrics& metrics, absl::Time now);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_CONTRIBUTIONS_H_
