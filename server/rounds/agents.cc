#include "server/rounds/agents.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_join.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/digest.h"
#include "server/audit/audit_log.h"
#include "server/membership/callers.h"
#include "server/membership/conversions.h"
#include "server/rounds/topics.h"

namespace federity::rounds {
namespace {

constexpr int kMaxDatasets = 100;
constexpr absl::Duration kSeenInterval = absl::Minutes(1);
constexpr size_t kMaxLabelBytes = 200;
constexpr size_t kMaxVersionBytes = 100;
constexpr size_t kMaxNotReadyBytes = 500;
constexpr int64_t kMaxRows = 1'000'000'000'000;

absl::Status CheckApproval(std::string_view field, const std::string& digest) {
  if (digest.empty() || crypto::ParseDigest(digest).ok()) return absl::OkStatus();
  return InvalidArgument(field, "must be empty or \"sha256:\" and 64 digits");
}

std::string DatasetsJson(const v1::WatchAssignmentsRequest& request) {
  auto json = nlohmann::json::array();
  for (const v1::DatasetSummary& dataset : request.datasets()) {
    json.push_back(
        {{"label", dataset.label()}, {"kind", dataset.kind()}, {"rows", dataset.rows()}});
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// One row when what the operator approved has changed, none at each reconnection.
absl::Status AuditApproval(store::Transaction& transaction, const Session& session,
                           const v1::WatchAssignmentsRequest& request, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Row row,
      transaction.QueryOne("SELECT coalesce(m.scope_organization, ''), "
                           "coalesce(m.scope_repository::text, ''), coalesce(r.name, '') "
                           "FROM members m LEFT JOIN repositories r ON r.id = m.scope_repository "
                           "WHERE m.id = $1",
                           store::Params().Text(session.member)));
  const std::string name = membership::MemberName(row.Text(0), row.Text(2), session.member);
  const auto shown = [](const std::string& digest) { return digest.empty() ? "none" : digest; };
  return audit::Append(transaction,
                       {.time = now,
                        .actor = name,
                        .scope_organization = row.Text(0),
                        .scope_repository = row.Text(1),
                        .action = "ChangeApproval",
                        .resource = name,
                        .details = {{"plan", shown(request.approved_plan_digest())},
                                    {"program", shown(request.approved_program_digest())}}});
}

// Who comes or goes may be what a recruiting round or statistics run waits for.
absl::Status WakeRecruiting(store::Transaction& transaction, std::string_view repository,
                            absl::Time now) {
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE rounds SET due_at = least(due_at, $2) WHERE repository = $1 "
                   "AND state = 1",
                   store::Params().Text(repository).Time(now))
          .status());
  bool recruits = transaction.affected_rows() > 0;
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE statistics_runs SET due_at = least(due_at, $2) WHERE repository = $1 "
                   "AND state = 1 AND recruiting",
                   store::Params().Text(repository).Time(now))
          .status());
  recruits = recruits || transaction.affected_rows() > 0;
  if (recruits) FEDERITY_RETURN_IF_ERROR(transaction.Notify(kRoundsTopic));
  return transaction.Notify(ProgressTopic(repository));
}

}  // namespace

absl::Status CheckGreeting(const v1::WatchAssignmentsRequest& request) {
  if (!membership::IsPlainText(request.version(), kMaxVersionBytes)) {
    return InvalidArgument("version", "must be plain text of at most 100 bytes");
  }
  if (!membership::IsPlainText(request.not_ready(), kMaxNotReadyBytes)) {
    return InvalidArgument("not_ready", "must be plain text of at most 500 bytes");
  }
  FEDERITY_RETURN_IF_ERROR(CheckApproval("approved_plan_digest", request.approved_plan_digest()));
  FEDERITY_RETURN_IF_ERROR(
      CheckApproval("approved_program_digest", request.approved_program_digest()));
  if (request.datasets_size() > kMaxDatasets) {
    return InvalidArgument("datasets", StrCat("must be at most ", kMaxDatasets));
  }
  for (const v1::DatasetSummary& dataset : request.datasets()) {
    if (!membership::IsPlainText(dataset.label(), kMaxLabelBytes) ||
        (dataset.kind() != "table" && dataset.kind() != "images") || dataset.rows() < 0 ||
        dataset.rows() > kMaxRows) {
      return InvalidArgument("datasets",
                             "must each have a label of at most 200 bytes, the kind "
                             "\"table\" or \"images\", and a possible number of rows");
    }
  }
  return absl::OkStatus();
}

absl::Status OpenSession(store::Transaction& transaction, std::string_view repository,
                         const Session& session, const v1::WatchAssignmentsRequest& request,
                         absl::Time now, absl::Time online_until) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> before,
      transaction.QueryOptional("SELECT coalesce(online_until > $2, false), approved_plan_digest, "
                                "approved_program_digest FROM agents WHERE member = $1 "
                                "FOR NO KEY UPDATE",
                                store::Params().Text(session.member).Time(now)));
  const std::string plan = before.has_value() ? before->Text(1) : "";
  const std::string program = before.has_value() ? before->Text(2) : "";
  if (plan != request.approved_plan_digest() || program != request.approved_program_digest()) {
    FEDERITY_RETURN_IF_ERROR(AuditApproval(transaction, session, request, now));
  }
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("INSERT INTO agents (member, session, online_until, approved_plan_digest, "
                   "approved_program_digest, datasets, not_ready) VALUES ($1, $2, $3, $4, $5, $6, "
                   "$7) ON CONFLICT (member) DO UPDATE SET session = $2, online_until = $3, "
                   "approved_plan_digest = $4, approved_program_digest = $5, datasets = $6, "
                   "not_ready = $7",
                   store::Params()
                       .Text(session.member)
                       .Text(session.id)
                       .Time(online_until)
                       .Text(request.approved_plan_digest())
                       .Text(request.approved_program_digest())
                       .Text(DatasetsJson(request))
                       .Text(request.not_ready()))
          .status());
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE members SET version = $2, last_seen_at = $3 WHERE id = $1",
                   store::Params().Text(session.member).Text(request.version()).Time(now))
          .status());
  // An older stream, perhaps on another replica, sees that it is the older.
  if (before.has_value() && before->Bool(0)) {
    FEDERITY_RETURN_IF_ERROR(transaction.Notify(MemberTopic(session.member)));
  }
  return WakeRecruiting(transaction, repository, now);
}

absl::Status CloseSession(store::Transaction& transaction, std::string_view repository,
                          const Session& session, absl::Time now) {
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE agents SET online_until = $3 WHERE member = $1 AND session = $2",
                   store::Params().Text(session.member).Text(session.id).Time(now))
          .status());
  return transaction.affected_rows() == 0 ? absl::OkStatus()
                                          : WakeRecruiting(transaction, repository, now);
}

absl::StatusOr<std::vector<std::string>> KeepSessions(store::Transaction& transaction,
                                                      const std::vector<Session>& sessions,
                                                      absl::Time now, absl::Time online_until) {
  std::vector<std::string> members;
  std::vector<std::string> ids;
  for (const Session& session : sessions) {
    members.push_back(session.member);
    ids.push_back(session.id);
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute(
          "UPDATE agents a SET online_until = $3 FROM "
          "unnest($1::uuid[], $2::uuid[]) AS s(member, session) "
          "WHERE a.member = s.member AND a.session = s.session RETURNING a.member",
          store::Params().Text(UuidArray(members)).Text(UuidArray(ids)).Time(online_until)));
  std::vector<std::string> kept;
  kept.reserve(rows.size());
  for (const store::Row& row : rows) kept.push_back(row.Text(0));
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE members SET last_seen_at = $2 WHERE id = ANY($1::uuid[]) AND "
                   "(last_seen_at IS NULL OR last_seen_at <= $3)",
                   store::Params().Text(UuidArray(kept)).Time(now).Time(now - kSeenInterval))
          .status());
  return kept;
}

std::string UuidArray(const std::vector<std::string>& ids) {
  return StrCat("{", absl::StrJoin(ids, ","), "}");
}

}  // namespace federity::rounds
