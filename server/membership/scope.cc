#include "server/membership/scope.h"

#include "common/base/strings.h"

namespace federity::membership {

std::string ScopeCondition(std::string_view table, const Scope& scope, store::Params& params) {
  std::string sql = StrCat(table, ".scope_organization");
  if (scope.organization.empty()) {
    sql += StrCat(" IS NULL");
  } else {
    params.Text(scope.organization);
    sql += StrCat(" = $", params.values().size());
  }
  sql += StrCat(" AND ", table, ".scope_repository");
  if (scope.repository_id.empty()) {
    sql += StrCat(" IS NULL");
  } else {
    params.Text(scope.repository_id);
    sql += StrCat(" = $", params.values().size());
  }
  return sql;
}

}  // namespace federity::membership
