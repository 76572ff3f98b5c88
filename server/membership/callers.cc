#include "server/membership/callers.h"

#include "common/base/errors.h"
#include "common/base/resource_name.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/membership/conversions.h"

namespace federity::membership {
namespace {

constexpr std::string_view kUriPrefix = "federity:member:";

}  // namespace

std::string MemberUri(std::string_view member_id) { return StrCat(kUriPrefix, member_id); }

std::optional<std::string> MemberIdFromUri(std::string_view uri) {
  if (!uri.starts_with(kUriPrefix)) return std::nullopt;
  uri.remove_prefix(kUriPrefix.size());
  if (!IsUuid(uri)) return std::nullopt;
  return std::string(uri);
}

std::string MemberName(std::string_view scope_organization, std::string_view repository,
                       std::string_view member_id) {
  return FormatResourceName({.organization = std::string(scope_organization),
                             .repository = std::string(repository),
                             .collection = "members",
                             .id = std::string(member_id)});
}

absl::StatusOr<Caller> LoadCaller(store::Transaction& transaction, std::string_view member_id,
                                  bool lock) {
  std::string sql =
      "SELECT m.organization, coalesce(m.scope_organization, ''), "
      "coalesce(m.scope_repository::text, ''), coalesce(r.name, ''), m.role, m.kind, "
      "m.contribution_key, m.removed_at IS NOT NULL "
      "FROM members m LEFT JOIN repositories r ON r.id = m.scope_repository WHERE m.id = $1";
  if (lock) sql += " FOR SHARE OF m";
  FEDERITY_ASSIGN_OR_RETURN(const std::optional<store::Row> row,
                            transaction.QueryOptional(sql, store::Params().Text(member_id)));
  if (!row.has_value() || row->Bool(7)) {
    return Error(v1::ERROR_REASON_MEMBER_REMOVED,
                 "This certificate's member was removed, or is not known to this coordinator; "
                 "ask for a new invitation.");
  }
  Caller caller;
  caller.member_id = std::string(member_id);
  caller.organization = row->Text(0);
  caller.scope_organization = row->Text(1);
  caller.scope_repository_id = row->Text(2);
  caller.name = MemberName(caller.scope_organization, row->Text(3), member_id);
  caller.role = static_cast<v1::Role>(row->Int(4));
  caller.kind = static_cast<v1::MemberKind>(row->Int(5));
  caller.contribution_key = row->Bytes(6);
  return caller;
}

absl::Status TouchMember(store::Transaction& transaction, std::string_view member_id,
                         absl::Time now) {
  return transaction
      .Execute(
          "UPDATE members SET last_seen_at = $2 WHERE id = (SELECT id FROM members "
          "WHERE id = $1 AND (last_seen_at IS NULL OR "
          "last_seen_at <= $2::timestamptz - interval '1 minute') "
          // Not worth waiting for a long call of the same member.
          "FOR NO KEY UPDATE SKIP LOCKED)",
          store::Params().Text(member_id).Time(now))
      .status();
}

}  // namespace federity::membership
