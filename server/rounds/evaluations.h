#ifndef FEDERITY_SERVER_ROUNDS_EVALUATIONS_H_
#define FEDERITY_SERVER_ROUNDS_EVALUATIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/database.h"

namespace federity::rounds {

// Members' measurements of a commit. What is shown of them is one sum, closed
// once it holds at least three organisations and nobody is waited for; nothing is
// added to it afterwards, because the difference of two sums would tell the
// measurements of those who came between. All functions work within the caller's
// transaction.

// Fewer organisations than this are never shown; the workstations of one hospital
// are one voice.
inline constexpr int kMinMeasuringOrganizations = 3;
// How long a commit waits for further measurements after one.
inline constexpr absl::Duration kMeasuringTime = absl::Minutes(1);

struct Evaluation {
  std::string repository;
  std::string commit;  // digest
  std::string member;
  int64_t examples = 0;  // 0: there is no hold-out; kept, and not counted
  double loss_sum = 0;
  std::string confusion;  // as FormatConfusion writes it
};
// Keeps it; a later one of the same member replaces it. Once the sum is closed it
// is dropped.
absl::Status KeepEvaluation(store::Transaction& transaction, const Evaluation& evaluation,
                            absl::Time now);

// Closes the sum of this commit, if there is enough in it: the round that trained
// on it ended, or everybody who was asked has answered.
absl::Status CloseEvaluations(store::Transaction& transaction, std::string_view repository,
                              std::string_view commit, absl::Time now);

// Closes the sums of heads that waited long enough, unless a round measures them
// now and will close them at its end; false if none was due.
absl::StatusOr<bool> CloseWaitingEvaluations(store::Transaction& transaction, absl::Time now);

// When CloseWaitingEvaluations has something to do next.
absl::StatusOr<std::optional<absl::Time>> NextEvaluationsDue(store::Transaction& transaction);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_EVALUATIONS_H_
