#include "server/membership/members.h"

#include <nlohmann/json.hpp>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/membership/callers.h"
#include "server/membership/conversions.h"
#include "server/membership/cursor.h"
#include "server/membership/invitations.h"
#include "server/membership/permissions.h"
#include "server/membership/withdrawal.h"

namespace federity::membership {
namespace {

// The columns that MemberFromRow reads, in its order.
constexpr std::string_view kSelectMember =
    "SELECT m.id, m.organization, o.display_name, m.role, m.kind, m.contribution_key, "
    "m.created_at, m.removed_at, m.last_seen_at, m.version, coalesce(m.scope_organization, ''), "
    "coalesce(r.name, ''), a.online_until, coalesce(a.approved_plan_digest, ''), "
    "coalesce(a.approved_program_digest, ''), coalesce(a.datasets::text, '[]'), "
    "coalesce(r.plan_digest, ''), coalesce(c.program_digest, '') "
    "FROM members m JOIN organizations o ON o.id = m.organization "
    "LEFT JOIN repositories r ON r.id = m.scope_repository "
    "LEFT JOIN commits c ON c.repository = r.id AND c.digest = r.head "
    "LEFT JOIN agents a ON a.member = m.id ";

v1::ApprovalState ApprovalOf(const store::Row& row) {
  const std::string plan = row.Text(13), program = row.Text(14);
  if (plan.empty() && program.empty()) return v1::APPROVAL_STATE_NONE;
  return plan == row.Text(16) && program == row.Text(17) ? v1::APPROVAL_STATE_CURRENT
                                                         : v1::APPROVAL_STATE_OUTDATED;
}

void AddDatasets(const std::string& text, v1::Member& member) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) return;
  for (const auto& entry : json) {
    if (!entry.is_object()) continue;
    v1::DatasetSummary& dataset = *member.add_datasets();
    if (const auto it = entry.find("label"); it != entry.end() && it->is_string()) {
      dataset.set_label(it->get<std::string>());
    }
    if (const auto it = entry.find("kind"); it != entry.end() && it->is_string()) {
      dataset.set_kind(it->get<std::string>());
    }
    if (const auto it = entry.find("rows"); it != entry.end() && it->is_number_integer()) {
      dataset.set_rows(it->get<int64_t>());
    }
  }
}

v1::Member MemberFromRow(const store::Row& row, Detail detail, absl::Time now) {
  v1::Member member;
  member.set_name(MemberName(row.Text(10), row.Text(11), row.Text(0)));
  member.set_organization(row.Text(1));
  member.set_organization_display_name(row.Text(2));
  member.set_role(static_cast<v1::Role>(row.Int(3)));
  member.set_kind(static_cast<v1::MemberKind>(row.Int(4)));
  member.set_contribution_key(row.Bytes(5));
  SetTimestamp(row.Time(6), member.mutable_create_time());
  if (!row.IsNull(7)) SetTimestamp(row.Time(7), member.mutable_remove_time());
  if (detail != Detail::kAll) return member;
  if (!row.IsNull(8)) SetTimestamp(row.Time(8), member.mutable_last_seen_time());
  member.set_version(row.Text(9));
  if (member.kind() != v1::MEMBER_KIND_AGENT) return member;
  member.set_online(!row.IsNull(12) && row.Time(12) > now && row.IsNull(7));
  member.set_approval(ApprovalOf(row));
  AddDatasets(row.Text(15), member);
  return member;
}

// Locks a member of exactly this scope; its role.
absl::StatusOr<v1::Role> LockMember(store::Transaction& transaction, const Scope& scope,
                                    std::string_view member_id) {
  const absl::Status missing =
      NotFound(MemberName(scope.organization, scope.repository, member_id));
  if (!IsUuid(member_id)) return missing;
  store::Params params;
  params.Text(member_id);
  const std::string condition = ScopeCondition("m", scope, params);
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(
          StrCat("SELECT m.role FROM members m WHERE m.id = $1 AND m.removed_at IS NULL AND ",
                 condition, " FOR NO KEY UPDATE"),
          params));
  if (!row.has_value()) return missing;
  return static_cast<v1::Role>(row->Int(0));
}

absl::Status LockOrganization(store::Transaction& transaction, std::string_view organization) {
  return transaction
      .Execute("SELECT 1 FROM organizations WHERE id = $1 FOR NO KEY UPDATE",
               store::Params().Text(organization))
      .status();
}

// LAST_OWNER unless somebody else owns the scope. Locks the organisation, so
// that two owners can't both leave, each counting on the other.
absl::Status RequireAnotherOwner(store::Transaction& transaction, const Scope& scope,
                                 std::string_view member_id) {
  FEDERITY_RETURN_IF_ERROR(LockOrganization(transaction, scope.organization));
  store::Params params;
  params.Text(member_id).Text(scope.organization).Int(v1::ROLE_OWNER);
  std::string repository;
  if (!scope.repository_id.empty()) {
    params.Text(scope.repository_id);
    repository = " OR scope_repository = $4";
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Row row,
      transaction.QueryOne(
          StrCat("SELECT count(*) FROM members WHERE id <> $1 AND scope_organization = $2 "
                 "AND role = $3 AND removed_at IS NULL AND (scope_repository IS NULL",
                 repository, ")"),
          params));
  if (row.Int(0) > 0) return absl::OkStatus();
  return Error(v1::ERROR_REASON_LAST_OWNER,
               "This is the last owner; make somebody else an owner first.");
}

}  // namespace

absl::StatusOr<v1::Member> ReadMember(store::Transaction& transaction, std::string_view member_id,
                                      Detail detail, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(const store::Row row,
                            transaction.QueryOne(StrCat(kSelectMember, "WHERE m.id = $1"),
                                                 store::Params().Text(member_id)));
  return MemberFromRow(row, detail, now);
}

absl::StatusOr<bool> HasOwner(store::Transaction& transaction, std::string_view organization) {
  FEDERITY_RETURN_IF_ERROR(LockOrganization(transaction, organization));
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> owner,
      transaction.QueryOptional(
          "SELECT 1 FROM members WHERE scope_organization = $1 AND scope_repository IS NULL AND "
          "role = $2 AND removed_at IS NULL LIMIT 1",
          store::Params().Text(organization).Int(v1::ROLE_OWNER)));
  return owner.has_value();
}

absl::StatusOr<MemberPage> ListMembers(store::Transaction& transaction, const Caller& caller,
                                       const Scope& scope, bool show_removed, int limit,
                                       std::string_view cursor, absl::Time now) {
  store::Params params;
  params.Int(limit + 1);
  std::string where = ScopeCondition("m", scope, params);
  if (!show_removed) where += " AND m.removed_at IS NULL";
  if (!cursor.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(const TimeCursor position, ParseCursor(cursor));
    params.Time(position.created_at).Text(position.id);
    const size_t n = params.values().size();
    where += StrCat(" AND (m.created_at, m.id) > ($", n - 1, ", $", n, ")");
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute(
          StrCat(kSelectMember, "WHERE ", where, " ORDER BY m.created_at, m.id LIMIT $1"), params));
  const bool sees_all = caller.is_maintainer() || caller.role == v1::ROLE_ADMINISTRATOR;
  MemberPage page;
  for (const store::Row& row : rows) {
    if (page.members.size() == static_cast<size_t>(limit)) {
      const store::Row& last = rows[static_cast<size_t>(limit) - 1];
      page.next_cursor = FormatCursor({last.Time(6), last.Text(0)});
      break;
    }
    const bool all = sees_all || row.Text(0) == caller.member_id;
    page.members.push_back(MemberFromRow(row, all ? Detail::kAll : Detail::kIdentity, now));
  }
  return page;
}

absl::Status SetMemberRole(store::Transaction& transaction, const Scope& scope,
                           std::string_view member_id, v1::Role role, absl::Time now) {
  if (!MayInvite(v1::ROLE_OWNER, role)) {
    return InvalidArgument("role", "must be owner, maintainer, contributor, viewer or auditor");
  }
  FEDERITY_ASSIGN_OR_RETURN(const v1::Role before, LockMember(transaction, scope, member_id));
  if (before == v1::ROLE_OWNER && role != v1::ROLE_OWNER) {
    FEDERITY_RETURN_IF_ERROR(RequireAnotherOwner(transaction, scope, member_id));
  }
  FEDERITY_RETURN_IF_ERROR(transaction
                               .Execute("UPDATE members SET role = $2 WHERE id = $1",
                                        store::Params().Text(member_id).Int(role))
                               .status());
  FEDERITY_RETURN_IF_ERROR(RevokeInvitationsBeyond(transaction, member_id, role, now));
  FEDERITY_RETURN_IF_ERROR(transaction.Notify(StrCat("member:", member_id)));
  if (scope.repository_id.empty()) return absl::OkStatus();
  return transaction.Notify(StrCat("repository:", scope.repository_id));
}

absl::Status RemoveMember(store::Transaction& transaction, const Scope& scope,
                          std::string_view member_id, Leaving leaving, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(const v1::Role role, LockMember(transaction, scope, member_id));
  if (role == v1::ROLE_OWNER) {
    FEDERITY_RETURN_IF_ERROR(RequireAnotherOwner(transaction, scope, member_id));
  }
  FEDERITY_RETURN_IF_ERROR(transaction
                               .Execute("UPDATE members SET removed_at = $2 WHERE id = $1",
                                        store::Params().Text(member_id).Time(now))
                               .status());
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE agents SET session = NULL, online_until = NULL WHERE member = $1",
                   store::Params().Text(member_id))
          .status());
  FEDERITY_RETURN_IF_ERROR(
      RevokeInvitationsBeyond(transaction, member_id, v1::ROLE_UNSPECIFIED, now));
  FEDERITY_RETURN_IF_ERROR(WithdrawWork(transaction, member_id, leaving, now));
  FEDERITY_RETURN_IF_ERROR(transaction.Notify(StrCat("member:", member_id)));
  if (scope.repository_id.empty()) return absl::OkStatus();
  return transaction.Notify(StrCat("repository:", scope.repository_id));
}

}  // namespace federity::membership
