#ifndef FEDERITY_SERVER_API_ROUND_NAMES_H_
#define FEDERITY_SERVER_API_ROUND_NAMES_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "common/base/resource_name.h"
#include "server/api/dispatcher.h"
#include "server/rounds/contributions.h"
#include "server/rounds/round_store.h"
#include "server/rounds/round_view.h"

namespace federity::api {

// Names of rounds and contributions → what the domain works with.

// `…/rounds/{n}` or `…/rounds/latest`. INVALID_ARGUMENT, NOT_FOUND.
absl::StatusOr<rounds::RoundRow> FindNamedRound(store::Transaction& transaction,
                                                const ResourceName& name,
                                                const RepositoryRef& repository, rounds::Lock lock);
// A round's or run's number, from 1; nullopt for anything else.
std::optional<int64_t> ParseNumber(std::string_view text);
// `…/rounds/{n}/contributions/{c}` of the caller. INVALID_ARGUMENT.
absl::StatusOr<rounds::ContributionRef> OwnContribution(const Call& call);

inline rounds::Viewer ViewerOf(const membership::Caller& caller) {
  return {.member = caller.member_id, .maintainer = caller.is_maintainer()};
}

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_ROUND_NAMES_H_
