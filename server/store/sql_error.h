#ifndef FEDERITY_SERVER_STORE_SQL_ERROR_H_
#define FEDERITY_SERVER_STORE_SQL_ERROR_H_

#include <string_view>

#include "absl/status/status.h"

namespace federity::store {

// The one place where an SQLSTATE (PostgreSQL documentation, appendix A) turns
// into a status. `message` is the server's; only its first line is kept, for the
// DETAIL below it repeats values of the row.
absl::Status StatusFromSqlState(std::string_view sqlstate, std::string_view message);

}  // namespace federity::store

#endif  // FEDERITY_SERVER_STORE_SQL_ERROR_H_
