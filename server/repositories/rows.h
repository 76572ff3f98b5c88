#ifndef FEDERITY_SERVER_REPOSITORIES_ROWS_H_
#define FEDERITY_SERVER_REPOSITORIES_ROWS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace federity::repositories {

// PostgreSQL's arrays as text, both ways: array_to_string(column, ',') when
// reading, "{1,2}" with a cast when writing.
std::vector<double> ParseReals(std::string_view text);
std::vector<int64_t> ParseIntegers(std::string_view text);
std::string FormatReals(const std::vector<double>& values);

// The resource name of a row's `creator`, joined as alias `m` with its
// repository `mr` (kJoinCreator follows the FROM clause).
inline constexpr char kCreatorName[] =
    "CASE WHEN m.id IS NULL THEN ''"
    " WHEN m.scope_organization IS NULL THEN 'members/' || m.id"
    " WHEN mr.id IS NULL THEN 'organizations/' || m.scope_organization || '/members/' || m.id"
    " ELSE 'organizations/' || mr.organization || '/repositories/' || mr.name || '/members/' ||"
    " m.id END";

}  // namespace federity::repositories

#endif  // FEDERITY_SERVER_REPOSITORIES_ROWS_H_
