#ifndef FEDERITY_SERVER_ROUNDS_VERIFICATION_H_
#define FEDERITY_SERVER_ROUNDS_VERIFICATION_H_

#include "absl/status/statusor.h"
#include "server/rounds/round_context.h"

namespace federity::rounds {

// Takes the longest waiting VERIFYING contribution under a lease, reads its
// delta from end to end and makes it ACCEPTED or REFUSED; false if none waits.
// Whoever lost the lease meanwhile changes nothing. An error is one of our own
// (database, disk): another attempt follows after options.retry. Thread-safe.
absl::StatusOr<bool> VerifyOne(const RoundDependencies& dependencies, const RoundOptions& options);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_VERIFICATION_H_
