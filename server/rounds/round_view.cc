#include "server/rounds/round_view.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "common/base/resource_name.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/membership/callers.h"
#include "server/membership/conversions.h"
#include "server/repositories/commits.h"
#include "server/repositories/text.h"
#include "server/rounds/candidates.h"
#include "server/rounds/metrics_check.h"

namespace federity::rounds {
namespace {

using membership::SetTimestamp;

constexpr int kStates = 6;

std::string CommitName(const RoundRow& round, std::string_view digest) {
  return StrCat(round.repository_name, "/commits/", repositories::HexOfDigest(digest));
}

std::string MemberNameIn(std::string_view repository_name, std::string_view member) {
  return StrCat(repository_name, "/members/", member);
}

// All that stands in the round's own row.
v1::Round FromRow(const RoundRow& row) {
  v1::Round round;
  round.set_name(row.name());
  round.set_state(row.state);
  round.set_base_commit(CommitName(row, row.base_commit));
  if (row.commit.has_value()) round.set_commit(CommitName(row, *row.commit));
  round.set_plan_digest(row.plan_digest);
  round.set_standardisation_digest(row.standardisation_digest.value_or(""));
  round.set_seed(row.seed);
  round.set_series_index(row.series_index);
  round.set_series_count(row.series_count);
  SetTimestamp(row.created, round.mutable_create_time());
  SetTimestamp(row.recruit_deadline, round.mutable_recruit_deadline());
  if (row.trained.has_value()) SetTimestamp(*row.trained, round.mutable_train_time());
  if (row.deadline.has_value()) SetTimestamp(*row.deadline, round.mutable_deadline());
  if (row.ended.has_value()) SetTimestamp(*row.ended, round.mutable_end_time());
  round.set_failure(row.failure);
  round.set_failure_reason(row.failure_reason);
  round.set_min_contributions(static_cast<int32_t>(row.min_contributions));
  return round;
}

// The largest power of ten that is not beyond `examples`; 0 for 0.
int64_t Bucket(int64_t examples) {
  if (examples < 1) return 0;
  int64_t bucket = 1;
  while (bucket <= examples / 10) bucket *= 10;
  return bucket;
}

std::string Percent(double fraction) {
  return StrCat(" ", static_cast<int>(std::floor(fraction * 100)), " %");
}

std::string TimeWords(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

std::string Plural(int64_t count, std::string_view one, std::string_view many) {
  return StrCat(count, " ", count == 1 ? one : many);
}

void AddParticipant(v1::Round& round, std::string_view repository_name, std::string_view member,
                    std::string_view organization, std::string_view status) {
  v1::Participant* participant = round.add_participants();
  participant->set_member(MemberNameIn(repository_name, member));
  participant->set_organization_display_name(std::string(organization));
  participant->set_status(std::string(status));
}

absl::Status ViewRecruiting(store::Transaction& transaction, const RoundRow& row,
                            const Viewer& viewer, absl::Time now, v1::Round& round) {
  FEDERITY_ASSIGN_OR_RETURN(const repositories::CommitRow base,
                            repositories::GetCommit(transaction, row.repository, row.base_commit));
  FEDERITY_ASSIGN_OR_RETURN(
      const std::vector<Candidate> candidates,
      ListCandidates(transaction, row.repository, row.plan_digest, base.program_digest, now));
  for (const Candidate& candidate : candidates) {
    if (!viewer.maintainer && candidate.member != viewer.member) continue;
    AddParticipant(round, row.repository_name, candidate.member,
                   candidate.organization_display_name, candidate.words);
  }
  const int64_t ready = CountOrganizations(candidates, /*only_ready=*/true);
  if (ready < row.min_contributions) {
    round.set_waiting_for(StrCat("agents: ", ready, " of ",
                                 Plural(row.min_contributions, "organisation", "organisations"),
                                 " ready, until ", TimeWords(row.recruit_deadline)));
  } else {
    round.set_waiting_for("more agents, for a few seconds");
  }
  return absl::OkStatus();
}

// When the agents of a repository were last known to be there.
absl::StatusOr<std::map<std::string, std::optional<absl::Time>>> OnlineUntil(
    store::Transaction& transaction, const RoundRow& round) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute("SELECT c.member, a.online_until FROM contributions c "
                          "LEFT JOIN agents a ON a.member = c.member "
                          "WHERE c.repository = $1 AND c.round = $2",
                          store::Params().Text(round.repository).Int(round.number)));
  std::map<std::string, std::optional<absl::Time>> online;
  for (const store::Row& row : rows) online[row.Text(0)] = row.OptionalTime(1);
  return online;
}

std::string TrainingWaitsFor(const std::vector<ContributionRow>& contributions, const RoundRow& row,
                             const Viewer& viewer) {
  constexpr int kNamed = 10;
  int64_t open = 0;
  int64_t verifying = 0;
  std::string names;
  for (const ContributionRow& contribution : contributions) {
    verifying += contribution.state == v1::Contribution::VERIFYING;
    if (!IsOpen(contribution.state)) continue;
    if (++open > kNamed) continue;
    names += StrCat(names.empty() ? "" : ", ", contribution.organization_display_name);
  }
  std::string words;
  if (open > 0) {
    words =
        viewer.maintainer && open <= kNamed ? names : Plural(open, "contributor", "contributors");
    words += StrCat(", until ", TimeWords(row.deadline.value_or(row.created)));
  }
  if (verifying > 0) {
    words += StrCat(words.empty() ? "" : "; ", "the verification of ",
                    Plural(verifying, "contribution", "contributions"));
  }
  return words;
}

absl::Status ViewCohort(store::Transaction& transaction, const RoundRow& row, const Viewer& viewer,
                        absl::Time now, v1::Round& round) {
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<ContributionRow> contributions,
                            ListContributions(transaction, row.repository, row.number));
  FEDERITY_ASSIGN_OR_RETURN(auto online, OnlineUntil(transaction, row));
  round.mutable_contribution_counts()->Resize(kStates, 0);
  for (const ContributionRow& contribution : contributions) {
    int32_t* count = round.mutable_contribution_counts()->Mutable(contribution.state - 1);
    ++*count;
    if (!viewer.maintainer && contribution.member != viewer.member) continue;
    std::string words = ContributionWords(contribution);
    const std::optional<absl::Time> until = online[contribution.member];
    if (IsOpen(contribution.state) && IsRunning(row.state) &&
        (!until.has_value() || *until <= now)) {
      words += StrCat(", ", OfflineWords(until, now));
    }
    AddParticipant(round, row.repository_name, contribution.member,
                   contribution.organization_display_name, words);
    v1::Participant* participant = round.mutable_participants(round.participants_size() - 1);
    participant->set_contribution(StrCat(row.name(), "/contributions/", contribution.id));
    participant->set_state(contribution.state);
    participant->set_fraction(contribution.fraction);
  }
  if (row.state == v1::Round::TRAINING) {
    round.set_waiting_for(TrainingWaitsFor(contributions, row, viewer));
  } else if (row.state == v1::Round::MERGING) {
    round.set_waiting_for(
        StrCat("the merge of ", Plural(round.contribution_counts(v1::Contribution::ACCEPTED - 1),
                                       "contribution", "contributions")));
  }
  return absl::OkStatus();
}

}  // namespace

std::string ContributionWords(const ContributionRow& contribution) {
  switch (contribution.state) {
    case v1::Contribution::ASSIGNED:
    case v1::Contribution::UPLOADING:
      switch (contribution.phase) {
        case v1::CONTRIBUTION_PHASE_DOWNLOADING:
          return StrCat("downloading", Percent(contribution.fraction));
        case v1::CONTRIBUTION_PHASE_TRAINING:
          return StrCat("training", Percent(contribution.fraction));
        case v1::CONTRIBUTION_PHASE_UPLOADING:
          return StrCat("uploading", Percent(contribution.fraction));
        default:
          return "assigned";
      }
    case v1::Contribution::VERIFYING:
      return "verifying";
    case v1::Contribution::ACCEPTED:
      return "accepted";
    case v1::Contribution::REFUSED:
      return StrCat("refused: ", contribution.refusal);
    case v1::Contribution::ABANDONED:
      return contribution.refusal.empty() ? "given up" : StrCat("given up: ", contribution.refusal);
    default:
      return "unknown";
  }
}

absl::StatusOr<v1::Round> ViewRound(store::Transaction& transaction, const RoundRow& round,
                                    const Viewer& viewer, absl::Time now) {
  v1::Round view = FromRow(round);
  FEDERITY_RETURN_IF_ERROR(ViewCohort(transaction, round, viewer, now, view));
  if (round.state == v1::Round::RECRUITING) {
    FEDERITY_RETURN_IF_ERROR(ViewRecruiting(transaction, round, viewer, now, view));
  }
  return view;
}

absl::StatusOr<std::vector<v1::Round>> ViewRounds(store::Transaction& transaction,
                                                  const std::vector<RoundRow>& rounds) {
  std::vector<v1::Round> views;
  if (rounds.empty()) return views;
  const int64_t first = std::min(rounds.front().number, rounds.back().number);
  const int64_t last = std::max(rounds.front().number, rounds.back().number);
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute("SELECT round, state, count(*) FROM contributions WHERE repository = $1 "
                          "AND round BETWEEN $2 AND $3 GROUP BY round, state",
                          store::Params().Text(rounds.front().repository).Int(first).Int(last)));
  std::map<int64_t, std::map<int64_t, int64_t>> counts;
  for (const store::Row& row : rows) counts[row.Int(0)][row.Int(1)] = row.Int(2);
  for (const RoundRow& round : rounds) {
    v1::Round& view = views.emplace_back(FromRow(round));
    for (int state = 1; state <= kStates; ++state) {
      view.add_contribution_counts(static_cast<int32_t>(counts[round.number][state]));
    }
  }
  return views;
}

v1::Contribution ViewContribution(const ContributionRow& contribution,
                                  std::string_view repository_name, const Viewer& viewer) {
  const bool own = contribution.member == viewer.member;
  const bool exact = own || viewer.maintainer;
  v1::Contribution view;
  view.set_name(
      StrCat(repository_name, "/rounds/", contribution.round, "/contributions/", contribution.id));
  view.set_member(MemberNameIn(repository_name, contribution.member));
  view.set_organization_display_name(contribution.organization_display_name);
  view.set_state(contribution.state);
  if (exact) {
    view.set_refusal(contribution.refusal);
    view.set_refusal_reason(contribution.refusal_reason);
    view.set_norm(contribution.norm.value_or(0));
  }
  view.set_delta_digest(contribution.delta_digest.value_or(""));
  view.set_delta_bytes(contribution.delta_bytes);
  view.set_examples(exact ? contribution.examples : Bucket(contribution.examples));
  if (own && contribution.submitted.has_value()) {
    v1::Metrics* metrics = view.mutable_base_metrics();
    metrics->set_examples(contribution.base_examples);
    metrics->set_loss_sum(contribution.base_loss_sum);
    *metrics->mutable_confusion() = ParseConfusion(contribution.base_confusion);
    metrics->set_contributors(1);
  }
  SetTimestamp(contribution.created, view.mutable_create_time());
  if (contribution.submitted.has_value()) {
    SetTimestamp(*contribution.submitted, view.mutable_submit_time());
  }
  SetTimestamp(contribution.updated, view.mutable_update_time());
  return view;
}

}  // namespace federity::rounds
