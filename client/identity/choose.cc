#include "client/identity/choose.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_join.h"
#include "common/base/errors.h"
#include "common/base/resource_name.h"
#include "common/base/strings.h"

namespace federity::identity {
namespace {

// Owner first; roles are numbered in falling order of rights, and an
// administrator has none within a repository.
int Rank(v1::Role role) { return role == v1::ROLE_ADMINISTRATOR ? 100 : static_cast<int>(role); }

bool Better(const Identity& a, const Identity& b) {
  if (Rank(a.role) != Rank(b.role)) return Rank(a.role) < Rank(b.role);
  if (a.scope.size() != b.scope.size()) return a.scope.size() > b.scope.size();
  return a.expire_time > b.expire_time;
}

absl::Status NoneFor(const std::vector<Identity>& identities, std::string_view scope) {
  std::vector<std::string> have;
  for (const Identity& identity : identities) have.push_back(ShortScope(identity.scope));
  std::sort(have.begin(), have.end());
  have.erase(std::unique(have.begin(), have.end()), have.end());
  const std::string what =
      have.empty() ? "you are a member of nothing yet: join with the link you were given"
                   : StrCat("you are a member of: ", absl::StrJoin(have, ", "),
                            ". Ask an owner for an invitation, or check the name");
  return Error(v1::ERROR_REASON_NOT_FOUND,
               StrCat("no membership here for '", ShortScope(scope), "'; ", what),
               {{"scope", std::string(scope)}});
}

}  // namespace

std::string ShortScope(std::string_view scope) {
  if (scope.empty()) return "the coordinator";
  const auto name = ParseResourceName(scope);
  if (!name.ok()) return std::string(scope);
  return name->repository.empty() ? name->organization : name->short_name();
}

absl::StatusOr<Identity> ChooseIdentity(const std::vector<Identity>& identities,
                                        std::string_view scope, bool or_organization) {
  const Identity* best = nullptr;
  for (const Identity& identity : identities) {
    const bool above =
        or_organization && !identity.scope.empty() && scope.starts_with(identity.scope + "/");
    if (identity.scope != scope && !above) continue;
    if (best && best->ca_fingerprint != identity.ca_fingerprint) {
      return absl::FailedPreconditionError(StrCat("'", ShortScope(scope),
                                                  "' is at two coordinators, ", best->address,
                                                  " and ", identity.address));
    }
    if (!best || Better(identity, *best)) best = &identity;
  }
  if (!best) return NoneFor(identities, scope);
  return *best;
}

}  // namespace federity::identity
