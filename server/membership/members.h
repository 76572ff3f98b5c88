#ifndef FEDERITY_SERVER_MEMBERSHIP_MEMBERS_H_
#define FEDERITY_SERVER_MEMBERSHIP_MEMBERS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "federity/v1/membership.pb.h"
#include "server/membership/caller.h"
#include "server/membership/scope.h"
#include "server/store/database.h"

namespace federity::membership {

// The members of a scope: list, change, remove. Whether the caller may is
// decided before (permissions.h). Free functions; as thread-safe as their
// transaction.

// How much of a member is shown. Contribution keys are public.
enum class Detail {
  kIdentity,  // who it is: to contributors, viewers, auditors
  kAll,       // also when it was seen, what it approved and offers
};

// One member by its UUID, removed or not. NOT_FOUND.
absl::StatusOr<v1::Member> ReadMember(store::Transaction& transaction, std::string_view member_id,
                                      Detail detail, absl::Time now);

// Whether the organisation's namespace has an owner. Locks the organisation, so
// that the answer holds until the transaction ends, as far as others ask too.
absl::StatusOr<bool> HasOwner(store::Transaction& transaction, std::string_view organization);

struct MemberPage {
  std::vector<v1::Member> members;
  std::string next_cursor;  // empty: the last page
};
// In order of joining, from after `cursor` on. The caller's own row is always
// shown whole.
absl::StatusOr<MemberPage> ListMembers(store::Transaction& transaction, const Caller& caller,
                                       const Scope& scope, bool show_removed, int limit,
                                       std::string_view cursor, absl::Time now);

// NOT_FOUND if the scope has no such member, LAST_OWNER, INVALID_ARGUMENT for a
// role that can't be given. Invitations that the member made and its new role
// could not make are revoked.
absl::Status SetMemberRole(store::Transaction& transaction, const Scope& scope,
                           std::string_view member_id, v1::Role role, absl::Time now);

// What becomes of the accepted contribution in a round that is not committed.
enum class Leaving {
  kRemoved,   // by somebody else, or leaving with `withdraw`: left out
  kByItself,  // stays; only unfinished work is given up
};
// NOT_FOUND if the scope has no such member, LAST_OWNER. Its open invitations
// are revoked. Wakes "member:<id>" and "repository:<id>".
absl::Status RemoveMember(store::Transaction& transaction, const Scope& scope,
                          std::string_view member_id, Leaving leaving, absl::Time now);

}  // namespace federity::membership

#endif  // FEDERITY_SERVER_MEMBERSHIP_MEMBERS_H_
