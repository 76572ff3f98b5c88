#ifndef FEDERITY_CLIENT_IDENTITY_CHOOSE_H_
#define FEDERITY_CLIENT_IDENTITY_CHOOSE_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/identity/identity_store.h"

namespace federity::identity {

// Which of these memberships speaks for a scope: of those in exactly it or,
// with `or_organization`, in the organisation above it, the one with the most
// rights (the narrower scope where they are equal).
//   NOT_FOUND            none; the message lists what there is
//   FAILED_PRECONDITION  two coordinators have such a scope; the message names
//                        their addresses
absl::StatusOr<Identity> ChooseIdentity(const std::vector<Identity>& identities,
                                        std::string_view scope, bool or_organization);

// How people write a scope: "o/r", "o", or "the coordinator".
std::string ShortScope(std::string_view scope);

}  // namespace federity::identity

#endif  // FEDERITY_CLIENT_IDENTITY_CHOOSE_H_
