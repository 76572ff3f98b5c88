#ifndef FEDERITY_SERVER_ROUNDS_ROUND_MACHINE_H_
#define FEDERITY_SERVER_ROUNDS_ROUND_MACHINE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/rounds/round_context.h"
#include "server/rounds/round_store.h"
#include "server/store/database.h"

namespace federity::rounds {

// The machine that drives rounds and statistics runs. It has no state of its
// own: each call takes what is due from the database, does one step and leaves
// everything there, so any replica may do any step and a crash loses none. Time
// comes from the clock alone; RoundWorker calls it from its threads, tests call
// it by hand. Thread-safe.
class RoundMachine {
 public:
  RoundMachine(const RoundDependencies& dependencies, RoundOptions options);

  // One transition (or one look) of a due round or statistics run; false if nothing
  // is due.
  absl::StatusOr<bool> Step();
  // See verification.h and merging.h.
  absl::StatusOr<bool> VerifyOne();
  absl::StatusOr<bool> MergeOne();
  // All of these until none has anything to do.
  absl::Status RunUntilIdle();
  // When Step has something to do next; InfiniteFuture if nothing runs.
  absl::StatusOr<absl::Time> NextDue();
  // When VerifyOne and MergeOne may take over what is leased now, should its replica
  // be dead; InfiniteFuture if nothing is.
  absl::StatusOr<absl::Time> NextVerification();
  absl::StatusOr<absl::Time> NextMerge();

  const RoundOptions& options() const { return options_; }

 private:
  absl::StatusOr<absl::Time> FirstLeaseEnd(const char* seconds_left);
  absl::StatusOr<bool> StepRound(store::Transaction& transaction, absl::Time now);
  absl::Status Recruit(store::Transaction& transaction, RoundRow& round, absl::Time now);
  absl::Status Train(store::Transaction& transaction, RoundRow& round, absl::Time now);

  const RoundDependencies dependencies_;
  const RoundOptions options_;
  const absl::Time up_since_;
};

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_ROUND_MACHINE_H_
