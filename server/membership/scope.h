#ifndef FEDERITY_SERVER_MEMBERSHIP_SCOPE_H_
#define FEDERITY_SERVER_MEMBERSHIP_SCOPE_H_

#include <optional>
#include <string>
#include <string_view>

#include "server/store/database.h"

namespace federity::membership {

// Where members and invitations belong: the server, an organisation's namespace
// or one repository. A plain value.
struct Scope {
  std::string organization;   // empty: the server
  std::string repository_id;  // UUID; empty: the namespace
  std::string repository;     // its identifier

  std::optional<std::string> organization_or_null() const {
    return organization.empty() ? std::nullopt : std::optional(organization);
  }
  std::optional<std::string> repository_or_null() const {
    return repository_id.empty() ? std::nullopt : std::optional(repository_id);
  }
};

// "x.scope_organization = $3 AND x.scope_repository IS NULL": the rows of exactly
// this scope; its values are added to `params`. (IS NOT DISTINCT FROM would use
// no index.)
std::string ScopeCondition(std::string_view table, const Scope& scope, store::Params& params);

}  // namespace federity::membership

#endif  // FEDERITY_SERVER_MEMBERSHIP_SCOPE_H_
