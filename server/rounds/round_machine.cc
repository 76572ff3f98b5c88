#include "server/rounds/round_machine.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/secret.h"
#include "common/tensor/plain_delta.h"
#include "server/repositories/commits.h"
#include "server/rounds/candidates.h"
#include "server/rounds/evaluations.h"
#include "server/rounds/merging.h"
#include "server/rounds/round_decisions.h"
#include "server/rounds/statistics_cohort.h"
#include "server/rounds/topics.h"
#include "server/rounds/verification.h"
#include "server/statistics/statistics_run.h"

namespace federity::rounds {
namespace {

RoundOptions WithReplica(RoundOptions options) {
  if (options.replica.empty()) options.replica = crypto::RandomUuid();
  return options;
}

absl::Status SetDue(store::Transaction& transaction, const RoundRow& round,
                    std::optional<absl::Time> due) {
  return transaction
      .Execute("UPDATE rounds SET due_at = $3 WHERE repository = $1 AND number = $2",
               store::Params().Text(round.repository).Int(round.number).OptionalTime(due))
      .status();
}

// The cohort: a contribution for each ready candidate.
absl::Status Assign(store::Transaction& transaction, const RoundRow& round,
                    const std::vector<Candidate>& ready, absl::Time now) {
  for (const Candidate& candidate : ready) {
    FEDERITY_RETURN_IF_ERROR(
        transaction
            .Execute("INSERT INTO contributions (id, repository, round, member, state, "
                     "created_at, progress_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6, $6)",
                     store::Params()
                         .Text(crypto::RandomUuid())
                         .Text(round.repository)
                         .Int(round.number)
                         .Text(candidate.member)
                         .Int(v1::Contribution::ASSIGNED)
                         .Time(now))
            .status());
  }
  return absl::OkStatus();
}

absl::Status CheckCohort(const RoundRow& round, size_t members) {
  int64_t total = 0;
  if (__builtin_mul_overflow(static_cast<int64_t>(members), round.max_examples, &total)) {
    total = std::numeric_limits<int64_t>::max();
  }
  return tensor::CheckNoOverflow(total);
}

}  // namespace

RoundMachine::RoundMachine(const RoundDependencies& dependencies, RoundOptions options)
    : dependencies_(dependencies),
      options_(WithReplica(std::move(options))),
      up_since_(dependencies.clock.Now()) {}

absl::StatusOr<bool> RoundMachine::Step() {
  bool stepped = false;
  FEDERITY_RETURN_IF_ERROR(
      dependencies_.database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(stepped, StepRound(transaction, dependencies_.clock.Now()));
        return absl::OkStatus();
      }));
  if (stepped) return true;
  FEDERITY_RETURN_IF_ERROR(
      dependencies_.database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        const absl::Time now = dependencies_.clock.Now();
        const auto recruit = [&](store::Transaction& within, const statistics::RunRow& run) {
          return RecruitForStatistics(within, run, options_.recruit_grace, now);
        };
        FEDERITY_ASSIGN_OR_RETURN(stepped,
                                  statistics::StepRun(transaction, recruit, dependencies_.sign,
                                                      dependencies_.key_file, now));
        if (stepped) return absl::OkStatus();
        FEDERITY_ASSIGN_OR_RETURN(stepped, CloseWaitingEvaluations(transaction, now));
        return absl::OkStatus();
      }));
  return stepped;
}

absl::StatusOr<bool> RoundMachine::VerifyOne() {
  return rounds::VerifyOne(dependencies_, options_);
}

absl::StatusOr<bool> RoundMachine::MergeOne() { return rounds::MergeOne(dependencies_, options_); }

absl::Status RoundMachine::RunUntilIdle() {
  for (;;) {
    FEDERITY_ASSIGN_OR_RETURN(const bool stepped, Step());
    FEDERITY_ASSIGN_OR_RETURN(const bool verified, VerifyOne());
    FEDERITY_ASSIGN_OR_RETURN(const bool merged, MergeOne());
    if (!stepped && !verified && !merged) return absl::OkStatus();
  }
}

absl::StatusOr<absl::Time> RoundMachine::NextDue() {
  absl::Time due = absl::InfiniteFuture();
  FEDERITY_RETURN_IF_ERROR(
      dependencies_.database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(
            const store::Row row,
            transaction.QueryOne("SELECT min(due_at) FROM rounds WHERE due_at IS NOT NULL"));
        FEDERITY_ASSIGN_OR_RETURN(const std::optional<absl::Time> run_due,
                                  statistics::NextDue(transaction));
        FEDERITY_ASSIGN_OR_RETURN(const std::optional<absl::Time> evaluations_due,
                                  NextEvaluationsDue(transaction));
        due = std::min({row.OptionalTime(0).value_or(absl::InfiniteFuture()),
                        run_due.value_or(absl::InfiniteFuture()),
                        evaluations_due.value_or(absl::InfiniteFuture())});
        return absl::OkStatus();
      }));
  return due;
}

absl::StatusOr<absl::Time> RoundMachine::NextVerification() {
  return FirstLeaseEnd(
      "SELECT extract(epoch FROM min(lease_until) - now())::float8 FROM contributions "
      "WHERE state = 3");
}

absl::StatusOr<absl::Time> RoundMachine::NextMerge() {
  return FirstLeaseEnd(
      "SELECT extract(epoch FROM min(lease_until) - now())::float8 FROM rounds WHERE state = 3");
}

absl::StatusOr<absl::Time> RoundMachine::FirstLeaseEnd(const char* seconds_left) {
  absl::Time end = absl::InfiniteFuture();
  FEDERITY_RETURN_IF_ERROR(
      dependencies_.database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const store::Row row, transaction.QueryOne(seconds_left));
        end = row.IsNull(0) ? absl::InfiniteFuture()
                            : dependencies_.clock.Now() + absl::Seconds(row.Real(0));
        return absl::OkStatus();
      }));
  return end;
}

absl::StatusOr<bool> RoundMachine::StepRound(store::Transaction& transaction, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(
      const std::optional<store::Row> row,
      transaction.QueryOptional(
          StrCat(kSelectRounds,
                 "WHERE r.due_at <= $1 ORDER BY r.due_at LIMIT 1 FOR UPDATE OF r SKIP LOCKED"),
          store::Params().Time(now)));
  if (!row.has_value()) return false;
  RoundRow round = ReadRound(*row);
  switch (round.state) {
    case v1::Round::RECRUITING:
      FEDERITY_RETURN_IF_ERROR(Recruit(transaction, round, now));
      return true;
    case v1::Round::TRAINING:
      FEDERITY_RETURN_IF_ERROR(Train(transaction, round, now));
      return true;
    default:
      // A withdrawal from a merging round: the merge threads do the rest.
      FEDERITY_RETURN_IF_ERROR(SetDue(transaction, round, std::nullopt));
      FEDERITY_RETURN_IF_ERROR(transaction.Notify(kRoundsTopic));
      return true;
  }
}

absl::Status RoundMachine::Recruit(store::Transaction& transaction, RoundRow& round,
                                   absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(
      const repositories::CommitRow base,
      repositories::GetCommit(transaction, round.repository, round.base_commit));
  FEDERITY_ASSIGN_OR_RETURN(
      std::vector<Candidate> candidates,
      ListCandidates(transaction, round.repository, round.plan_digest, base.program_digest, now));
  const RecruitingDecision decision =
      DecideRecruiting({.created = round.created,
                        .recruit_deadline = round.recruit_deadline,
                        .min_contributions = round.min_contributions,
                        .recruits = RecruitsOf(candidates)},
                       now, options_.recruit_grace);
  if (!decision.event.has_value()) return SetDue(transaction, round, decision.due);
  if (*decision.event == RoundEvent::kTooFew) {
    return MoveRound(transaction, round, RoundEvent::kTooFew,
                     {.reason = v1::ERROR_REASON_TOO_FEW_CONTRIBUTIONS,
                      .words = StrCat("agents of ", CountOrganizations(candidates, true),
                                      " organisations were ready by the end of recruiting and ",
                                      round.min_contributions, " are needed")},
                     now);
  }
  std::erase_if(candidates, [](const Candidate& candidate) {
    return candidate.readiness != Readiness::kReady;
  });
  // Members may have joined since the start.
  const absl::Status fits = CheckCohort(round, candidates.size());
  if (!fits.ok()) {
    return MoveRound(transaction, round, RoundEvent::kRefused,
                     {.reason = ReasonOf(fits), .words = std::string(ToStd(fits.message()))}, now);
  }
  FEDERITY_RETURN_IF_ERROR(Assign(transaction, round, candidates, now));
  const absl::Time deadline = now + round.training;
  return MoveRound(transaction, round, RoundEvent::kCohortReady,
                   {.deadline = deadline,
                    .due = std::min(deadline, now + options_.silence_timeout),
                    .audit = {{"cohort", StrCat(candidates.size())}}},
                   now);
}

absl::Status RoundMachine::Train(store::Transaction& transaction, RoundRow& round, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(
      std::vector<ContributionRow> contributions,
      ListContributions(transaction, round.repository, round.number, Lock::kUpdate));
  TrainingView view{.deadline = round.deadline.value_or(now),
                    .min_contributions = round.min_contributions,
                    .target_contributions = round.target_contributions,
                    .standings = {}};
  for (const ContributionRow& contribution : contributions) {
    view.standings.push_back({contribution.organization, contribution.state, contribution.progress,
                              contribution.member_removed});
  }
  const TrainingDecision decision = DecideTraining(view, now,
                                                   {.silence = options_.silence_timeout,
                                                    .verify_bound = options_.verify_bound,
                                                    .up_since = up_since_});
  for (const Ending& ending : decision.endings) {
    FEDERITY_RETURN_IF_ERROR(MoveContribution(transaction, round, contributions[ending.index],
                                              ending.event, ending.reason, ending.words, now));
  }
  if (!decision.event.has_value()) return SetDue(transaction, round, decision.due);
  TransitionFacts facts;
  if (*decision.event == RoundEvent::kTooFew) {
    facts.reason = v1::ERROR_REASON_TOO_FEW_CONTRIBUTIONS;
    facts.words = TooFewWords(round, contributions);
  }
  return MoveRound(transaction, round, *decision.event, facts, now);
}

}  // namespace federity::rounds
