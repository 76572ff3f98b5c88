#include "server/rounds/round_store.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "common/base/resource_name.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/audit/audit_log.h"
#include "server/membership/conversions.h"
#include "server/rounds/evaluations.h"
#include "server/rounds/topics.h"

namespace federity::rounds {

const char* const kSelectRounds =
    "SELECT r.repository, p.organization, p.name, r.number, r.series, r.series_index, s.count, "
    "s.ended_at IS NOT NULL, r.state, r.base_commit, r.commit, r.plan_digest, "
    "r.standardisation_digest, r.seed::text, r.min_contributions, r.target_contributions, "
    "r.training_seconds, r.max_examples, r.failure, r.failure_reason, r.created_at, "
    "r.recruit_deadline, r.trained_at, r.deadline, r.ended_at, r.due_at, r.lease_token "
    "FROM rounds r JOIN repositories p ON p.id = r.repository JOIN series s ON s.id = r.series ";

RoundRow ReadRound(const store::Row& row) {
  RoundRow round;
  round.repository = row.Text(0);
  round.organization = row.Text(1);
  ResourceName name;
  name.organization = row.Text(1);
  name.repository = row.Text(2);
  round.repository_name = name.repository_name();
  round.number = row.Int(3);
  round.series = row.Text(4);
  round.series_index = static_cast<int>(row.Int(5));
  round.series_count = static_cast<int>(row.Int(6));
  round.series_ended = row.Bool(7);
  round.state = static_cast<v1::Round::State>(row.Int(8));
  round.base_commit = row.Text(9);
  round.commit = row.OptionalText(10);
  round.plan_digest = row.Text(11);
  round.standardisation_digest = row.OptionalText(12);
  (void)absl::SimpleAtoi(row.Text(13), &round.seed);  // numeric(20): beyond int64
  round.min_contributions = row.Int(14);
  if (!row.IsNull(15)) round.target_contributions = row.Int(15);
  round.training = absl::Seconds(row.Int(16));
  round.max_examples = row.Int(17);
  round.failure = row.Text(18);
  round.failure_reason = row.Text(19);
  round.created = row.Time(20);
  round.recruit_deadline = row.Time(21);
  round.trained = row.OptionalTime(22);
  round.deadline = row.OptionalTime(23);
  round.ended = row.OptionalTime(24);
  round.due = row.OptionalTime(25);
  round.lease_token = row.Int(26);
  return round;
}

const char* const kSelectContributions =
    "SELECT c.id, c.round, c.member, m.organization, o.display_name, m.removed_at IS NOT NULL, "
    "c.state, c.phase, c.fraction, c.refusal, c.refusal_reason, c.delta_digest, c.delta_bytes, "
    "c.examples, c.norm, c.base_examples, c.base_loss_sum, c.base_confusion::text, c.created_at, "
    "c.progress_at, c.submitted_at, c.updated_at, c.lease_token "
    "FROM contributions c JOIN members m ON m.id = c.member "
    "JOIN organizations o ON o.id = m.organization ";

ContributionRow ReadContribution(const store::Row& row) {
  ContributionRow contribution;
  contribution.id = row.Text(0);
  contribution.round = row.Int(1);
  contribution.member = row.Text(2);
  contribution.organization = row.Text(3);
  contribution.organization_display_name = row.Text(4);
  contribution.member_removed = row.Bool(5);
  contribution.state = static_cast<v1::Contribution::State>(row.Int(6));
  contribution.phase = static_cast<v1::ContributionPhase>(row.Int(7));
  contribution.fraction = row.Real(8);
  contribution.refusal = row.Text(9);
  contribution.refusal_reason = row.Text(10);
  contribution.delta_digest = row.OptionalText(11);
  contribution.delta_bytes = row.Int(12);
  contribution.examples = row.Int(13);
  if (!row.IsNull(14)) contribution.norm = row.Real(14);
  contribution.base_examples = row.Int(15);
  contribution.base_loss_sum = row.Real(16);
  contribution.base_confusion = row.Text(17);
  contribution.created = row.Time(18);
  contribution.progress = row.Time(19);
  contribution.submitted = row.OptionalTime(20);
  contribution.updated = row.Time(21);
  contribution.lease_token = row.Int(22);
  return contribution;
}

std::string RoundRow::name() const { return StrCat(repository_name, "/rounds/", number); }

absl::StatusOr<std::optional<RoundRow>> FindRound(store::Transaction& transaction,
                                                  std::string_view repository, int64_t number,
                                                  Lock lock) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(StrCat(kSelectRounds, "WHERE r.repository = $1 AND r.number = $2",
                                       lock == Lock::kUpdate ? " FOR UPDATE OF r" : ""),
                                store::Params().Text(repository).Int(number)));
  if (!row.has_value()) return std::nullopt;
  return ReadRound(*row);
}

absl::StatusOr<std::vector<ContributionRow>> ListContributions(store::Transaction& transaction,
                                                               std::string_view repository,
                                                               int64_t round, Lock lock) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute(StrCat(kSelectContributions,
                                 "WHERE c.repository = $1 AND c.round = $2 "
                                 "ORDER BY o.display_name, m.created_at, c.id",
                                 lock == Lock::kUpdate ? " FOR UPDATE OF c" : ""),
                          store::Params().Text(repository).Int(round)));
  std::vector<ContributionRow> contributions;
  contributions.reserve(rows.size());
  for (const store::Row& row : rows) contributions.push_back(ReadContribution(row));
  return contributions;
}

absl::StatusOr<std::optional<ContributionRow>> FindContribution(store::Transaction& transaction,
                                                                std::string_view repository,
                                                                int64_t round, std::string_view id,
                                                                Lock lock) {
  if (!membership::IsUuid(id)) return std::nullopt;
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(
          StrCat(kSelectContributions, "WHERE c.repository = $1 AND c.round = $2 AND c.id = $3",
                 lock == Lock::kUpdate ? " FOR UPDATE OF c" : ""),
          store::Params().Text(repository).Int(round).Text(id)));
  if (!row.has_value()) return std::nullopt;
  return ReadContribution(*row);
}

namespace {

std::string NameOrEmpty(ErrorReason reason) {
  return reason == v1::ERROR_REASON_UNSPECIFIED ? std::string() : std::string(ReasonName(reason));
}

audit::Event CoordinatorEvent(const RoundRow& round, std::string_view action, std::string resource,
                              absl::Time now) {
  audit::Event event;
  event.time = now;
  event.actor = std::string(audit::kCoordinator);
  event.scope_organization = round.organization;
  event.scope_repository = round.repository;
  event.action = std::string(action);
  event.resource = std::move(resource);
  return event;
}

// What nobody will wait for any more.
absl::Status AbandonRest(store::Transaction& transaction, const RoundRow& round,
                         const TransitionFacts& facts, absl::Time now) {
  return transaction
      .Execute(
          "UPDATE contributions SET state = $3, refusal = $4, refusal_reason = $5, "
          "updated_at = $6, lease_until = NULL WHERE repository = $1 AND round = $2 "
          "AND state IN (1, 2, 3)",
          store::Params()
              .Text(round.repository)
              .Int(round.number)
              .Int(v1::Contribution::ABANDONED)
              .Text(StrCat("the round ended: ", facts.words))
              .Text(ReasonName(facts.reason == v1::ERROR_REASON_UNSPECIFIED
                                   ? v1::ERROR_REASON_ROUND_STATE
                                   : facts.reason))
              .Time(now))
      .status();
}

}  // namespace

absl::Status MoveRound(store::Transaction& transaction, RoundRow& round, RoundEvent event,
                       const TransitionFacts& facts, absl::Time now) {
  const std::optional<v1::Round::State> next = NextState(round.state, event);
  if (!next.has_value()) {
    return Error(v1::ERROR_REASON_ROUND_STATE, StrCat("The round is ", StateName(round.state), "."),
                 {{"state", std::string(StateName(round.state))}});
  }
  const std::string_view before = StateName(round.state);
  round.state = *next;
  const bool ended = !IsRunning(round.state);
  const bool failed = round.state == v1::Round::FAILED || round.state == v1::Round::CANCELLED;
  if (round.state == v1::Round::TRAINING) {
    round.trained = now;
    round.deadline = facts.deadline;
  }
  if (ended) round.ended = now;
  round.due = ended ? std::nullopt : facts.due;
  round.commit = facts.commit;
  if (failed) {
    round.failure = facts.words;
    round.failure_reason = NameOrEmpty(facts.reason);
  }
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE rounds SET state = $3, trained_at = $4, deadline = $5, ended_at = $6, "
                   "due_at = $7, commit = $8, failure = $9, failure_reason = $10, "
                   "lease_owner = NULL, lease_until = NULL WHERE repository = $1 AND number = $2",
                   store::Params()
                       .Text(round.repository)
                       .Int(round.number)
                       .Int(round.state)
                       .OptionalTime(round.trained)
                       .OptionalTime(round.deadline)
                       .OptionalTime(round.ended)
                       .OptionalTime(round.due)
                       .OptionalText(round.commit)
                       .Text(round.failure)
                       .Text(round.failure_reason))
          .status());
  if (failed) FEDERITY_RETURN_IF_ERROR(AbandonRest(transaction, round, facts, now));
  if (ended) {
    FEDERITY_RETURN_IF_ERROR(
        CloseEvaluations(transaction, round.repository, round.base_commit, now));
  }
  // A failed round stops its series; the last one ends it.
  if (failed || (ended && round.series_index >= round.series_count)) {
    round.series_ended = true;
    FEDERITY_RETURN_IF_ERROR(
        transaction
            .Execute("UPDATE series SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL",
                     store::Params().Text(round.series).Time(now))
            .status());
  }
  audit::Event audit_event = CoordinatorEvent(round, "MoveRound", round.name(), now);
  if (round.state == v1::Round::FAILED) audit_event.outcome = round.failure_reason;
  audit_event.details = {{"from", std::string(before)},
                         {"to", std::string(StateName(round.state))}};
  for (const auto& [key, value] : facts.audit) audit_event.details[key] = value;
  FEDERITY_RETURN_IF_ERROR(audit::Append(transaction, audit_event));
  FEDERITY_RETURN_IF_ERROR(transaction.Notify(RepositoryTopic(round.repository)));
  return transaction.Notify(kRoundsTopic);
}

absl::Status FailRunningRounds(store::Transaction& transaction, RoundEvent event,
                               const TransitionFacts& facts, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute(StrCat(kSelectRounds, "WHERE r.ended_at IS NULL FOR UPDATE OF r")));
  for (const store::Row& row : rows) {
    RoundRow round = ReadRound(row);
    FEDERITY_RETURN_IF_ERROR(MoveRound(transaction, round, event, facts, now));
  }
  return absl::OkStatus();
}

absl::Status MoveContribution(store::Transaction& transaction, const RoundRow& round,
                              ContributionRow& contribution, ContributionEvent event,
                              ErrorReason reason, std::string_view words, absl::Time now) {
  const std::optional<v1::Contribution::State> next = NextState(contribution.state, event);
  if (!next.has_value()) {
    return Error(v1::ERROR_REASON_ROUND_STATE,
                 StrCat("The contribution is ", StateName(contribution.state), "."),
                 {{"state", std::string(StateName(contribution.state))}});
  }
  contribution.state = *next;
  contribution.refusal = std::string(words);
  contribution.refusal_reason = NameOrEmpty(reason);
  contribution.updated = now;
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE contributions SET state = $2, refusal = $3, refusal_reason = $4, "
                   "updated_at = $5, progress_at = $5, lease_until = NULL WHERE id = $1",
                   store::Params()
                       .Text(contribution.id)
                       .Int(contribution.state)
                       .Text(contribution.refusal)
                       .Text(contribution.refusal_reason)
                       .Time(now))
          .status());
  if (event == ContributionEvent::kUploadBegan) {
    return transaction.Notify(ProgressTopic(round.repository));
  }
  // What a member does itself is audited with its call.
  if (event == ContributionEvent::kAccepted || !contribution.refusal_reason.empty()) {
    audit::Event audit_event = CoordinatorEvent(
        round, "MoveContribution", StrCat(round.name(), "/contributions/", contribution.id), now);
    if (!contribution.refusal_reason.empty()) audit_event.outcome = contribution.refusal_reason;
    audit_event.details = {{"to", std::string(StateName(contribution.state))}};
    FEDERITY_RETURN_IF_ERROR(audit::Append(transaction, audit_event));
  }
  FEDERITY_RETURN_IF_ERROR(TouchRound(transaction, round.repository, round.number, now));
  return transaction.Notify(RepositoryTopic(round.repository));
}

absl::Status TouchRound(store::Transaction& transaction, std::string_view repository,
                        int64_t number, absl::Time now) {
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("UPDATE rounds SET due_at = least(due_at, $3) WHERE repository = $1 "
                   "AND number = $2 AND state IN (1, 2)",
                   store::Params().Text(repository).Int(number).Time(now))
          .status());
  return transaction.Notify(kRoundsTopic);
}

}  // namespace federity::rounds
