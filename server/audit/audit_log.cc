#include "server/audit/audit_log.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/status_macros.h"

namespace federity::audit {
namespace {

std::optional<std::string> NullIfEmpty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

std::map<std::string, std::string> ParseDetails(const std::string& text) {
  std::map<std::string, std::string> details;
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return details;
  for (const auto& [key, value] : json.items()) {
    details[key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return details;
}

}  // namespace

absl::Status Append(store::Transaction& transaction, const Event& event) {
  std::map<std::string, std::string> clean = event.details;
  // jsonb takes no NUL, and dump throws at bytes that are not UTF-8.
  for (auto& [key, value] : clean) std::replace(value.begin(), value.end(), '\0', '?');
  const std::string details =
      nlohmann::json(clean).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return transaction
      .Execute(
          "INSERT INTO audit_events (at, actor, scope_organization, scope_repository, action, "
          "resource, outcome, details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
          store::Params()
              .Time(event.time)
              .Text(event.actor)
              .OptionalText(NullIfEmpty(event.scope_organization))
              .OptionalText(NullIfEmpty(event.scope_repository))
              .Text(event.action)
              .Text(event.resource)
              .Text(event.outcome)
              .Text(details))
      .status();
}

absl::StatusOr<std::vector<Event>> List(store::Transaction& transaction, const Trail& trail,
                                        std::optional<int64_t> before, int limit) {
  store::Params params;
  params.Int(before.value_or(INT64_MAX)).Int(limit);
  std::string where = "scope_repository IS NULL";
  if (!trail.repository.empty()) {
    where = "scope_repository = $3";
    params.Text(trail.repository);
  } else if (!trail.organization.empty()) {
    where = "scope_organization = $3";
    params.Text(trail.organization);
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute("SELECT id, at, actor, coalesce(scope_organization, ''), "
                          "coalesce(scope_repository::text, ''), action, resource, outcome, "
                          "details::text FROM audit_events WHERE " +
                              where + " AND id < $1 ORDER BY id DESC LIMIT $2",
                          params));
  std::vector<Event> events;
  events.reserve(rows.size());
  for (const store::Row& row : rows) {
    events.push_back({.id = row.Int(0),
                      .time = row.Time(1),
                      .actor = row.Text(2),
                      .scope_organization = row.Text(3),
                      .scope_repository = row.Text(4),
                      .action = row.Text(5),
                      .resource = row.Text(6),
                      .outcome = row.Text(7),
                      .details = ParseDetails(row.Text(8))});
  }
  return events;
}

}  // namespace federity::audit
