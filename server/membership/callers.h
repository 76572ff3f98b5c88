#ifndef FEDERITY_SERVER_MEMBERSHIP_CALLERS_H_
#define FEDERITY_SERVER_MEMBERSHIP_CALLERS_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/membership/caller.h"
#include "server/store/database.h"

namespace federity::membership {

// The URI that names a member in its certificate, and back.
std::string MemberUri(std::string_view member_id);
std::optional<std::string> MemberIdFromUri(std::string_view uri);

// A member's resource name: `members/{m}` where both others are empty,
// `organizations/{o}/members/{m}` where the repository is.
std::string MemberName(std::string_view scope_organization, std::string_view repository,
                       std::string_view member_id);

// Reads the member behind a call. With `lock` its row can't be removed before
// the transaction ends: mutations need that, or a member's act could land after
// its removal. UNAUTHENTICATED MEMBER_REMOVED if it was removed or never was.
absl::StatusOr<Caller> LoadCaller(store::Transaction& transaction, std::string_view member_id,
                                  bool lock);

// Notes that the member was heard from, at most once a minute for each.
absl::Status TouchMember(store::Transaction& transaction, std::string_view member_id,
                         absl::Time now);

}  // namespace federity::membership

#endif  // FEDERITY_SERVER_MEMBERSHIP_CALLERS_H_
