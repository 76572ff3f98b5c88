#include "server/membership/withdrawal.h"

#include <set>
#include <string>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::membership {
namespace {

// federity.v1.Round.State, Contribution.State and StatisticsRun.State, as in
// V0003; the domain's own headers are above this folder.
constexpr int kMerging = 3;
constexpr int kRefused = 5;
constexpr int kAbandoned = 6;
constexpr int kCollecting = 1;
constexpr std::string_view kRoundsTopic = "rounds";  // as rounds/topics.h

absl::Status WithdrawContribution(store::Transaction& transaction, const store::Row& row,
                                  Leaving leaving, absl::Time now) {
  const std::string id = row.Text(0), repository = row.Text(1);
  const int64_t round = row.Int(2);
  const bool removed = leaving == Leaving::kRemoved;
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE contributions SET state = $2, refusal = $3, refusal_reason = $4, "
                   "updated_at = $5, lease_until = NULL WHERE id = $1",
                   store::Params()
                       .Text(id)
                       .Int(removed ? kRefused : kAbandoned)
                       .Text(removed ? "the member was removed" : "the member left")
                       .Text(ReasonName(v1::ERROR_REASON_CONTRIBUTION_WITHDRAWN))
                       .Time(now))
          .status());
  // The machine looks at the round again; one that merges begins anew, because
  // the holder of the old token can no longer commit.
  return transaction
      .Execute(
          "UPDATE rounds SET due_at = $3, "
          "lease_token = lease_token + CASE WHEN state = $4 THEN 1 ELSE 0 END, "
          "lease_until = CASE WHEN state = $4 THEN NULL ELSE lease_until END "
          "WHERE repository = $1 AND number = $2",
          store::Params().Text(repository).Int(round).Time(now).Int(kMerging))
      .status();
}

}  // namespace

absl::Status WithdrawWork(store::Transaction& transaction, std::string_view member_id,
                          Leaving leaving, absl::Time now) {
  // ASSIGNED and UPLOADING always; VERIFYING and ACCEPTED when it is removed.
  // Rounds first, as the round machine locks them.
  const int last_state = leaving == Leaving::kRemoved ? 4 : 2;
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rounds,
      transaction.Execute(
          "SELECT repository, number FROM rounds WHERE state IN (1, 2, 3) AND (repository, number) "
          "IN (SELECT repository, round FROM contributions WHERE member = $1 AND state <= $2) "
          "ORDER BY repository, number FOR UPDATE",
          store::Params().Text(member_id).Int(last_state)));
  std::set<std::string> repositories;
  for (const store::Row& round : rounds) {
    FEDERITY_ASSIGN_OR_RETURN(
        const store::Rows contributions,
        transaction.Execute(
            "SELECT id, repository, round FROM contributions WHERE repository = $1 "
            "AND round = $2 AND member = $3 AND state <= $4 FOR UPDATE",
            store::Params().Text(round.Text(0)).Int(round.Int(1)).Text(member_id).Int(last_state)));
    for (const store::Row& contribution : contributions) {
      FEDERITY_RETURN_IF_ERROR(WithdrawContribution(transaction, contribution, leaving, now));
    }
    repositories.insert(round.Text(0));
  }
  // Runs before answers, as everybody locks them.
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE statistics_runs SET due_at = $2 WHERE state = $3 AND (repository, "
                   "number) IN (SELECT repository, run FROM statistics_answers WHERE member = $1)",
                   store::Params().Text(member_id).Time(now).Int(kCollecting))
          .status());
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows answers,
      transaction.Execute(
          StrCat("UPDATE statistics_answers a SET answered_at = $2, sums = NULL, "
                 "abstained = 'the member left' FROM statistics_runs s "
                 "WHERE a.member = $1 AND s.repository = a.repository AND s.number = a.run "
                 "AND s.state = $3",
                 leaving == Leaving::kRemoved ? "" : " AND a.answered_at IS NULL",
                 " RETURNING a.repository"),
          store::Params().Text(member_id).Time(now).Int(kCollecting)));
  for (const store::Row& row : answers) repositories.insert(row.Text(0));
  for (const std::string& repository : repositories) {
    FEDERITY_RETURN_IF_ERROR(transaction.Notify(StrCat("repository:", repository)));
  }
  // The machine may have waited for this member alone.
  return repositories.empty() ? absl::OkStatus() : transaction.Notify(kRoundsTopic);
}

}  // namespace federity::membership
