#ifndef FEDERITY_SERVER_ROUNDS_CANDIDATES_H_
#define FEDERITY_SERVER_ROUNDS_CANDIDATES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/rounds/round_decisions.h"
#include "server/store/database.h"

namespace federity::rounds {

// How an agent member stands to an order of its repository, now.
enum class Readiness {
  kReady,
  kOffline,
  kNotApproved,
  kApprovalOutdated,
  kNotReady,  // by its operator's limits
};

// An agent member with a role that contributes: whoever could ever take part.
struct Candidate {
  std::string member;  // UUID
  std::string organization;
  std::string organization_display_name;
  Readiness readiness = Readiness::kOffline;
  std::string words;  // "ready", "offline since 12:03 UTC", "waiting for approval", …
};

// Every candidate of a repository, by organisation, held against the digests
// that an operator must have approved.
absl::StatusOr<std::vector<Candidate>> ListCandidates(store::Transaction& transaction,
                                                      std::string_view repository,
                                                      std::string_view plan_digest,
                                                      std::string_view program_digest,
                                                      absl::Time now);

// "offline since 12:03 UTC", with the date if it is another day.
std::string OfflineWords(std::optional<absl::Time> since, absl::Time now);

// Distinct organisations among the candidates (only the ready ones).
int64_t CountOrganizations(const std::vector<Candidate>& candidates, bool only_ready);

// As DecideRecruiting takes them.
std::vector<Recruit> RecruitsOf(const std::vector<Candidate>& candidates);

// "St Luke (offline since …), Mercy (ready)"; at most 20, then a count.
std::string DescribeCandidates(const std::vector<Candidate>& candidates);

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_CANDIDATES_H_
