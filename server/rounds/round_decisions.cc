#include "server/rounds/round_decisions.h"

#include <algorithm>
#include <set>

#include "common/base/strings.h"

namespace federity::rounds {
namespace {

// What is open or accepted, counted anew after each set of endings.
struct Counts {
  int64_t open = 0;
  int64_t verifying = 0;
  int64_t accepted = 0;
  int64_t accepted_organizations = 0;
};

Counts Count(const TrainingView& view, const std::vector<v1::Contribution::State>& states) {
  Counts counts;
  std::vector<std::string> organizations;
  for (size_t i = 0; i < states.size(); ++i) {
    if (IsOpen(states[i])) ++counts.open;
    if (states[i] == v1::Contribution::VERIFYING) ++counts.verifying;
    if (states[i] == v1::Contribution::ACCEPTED) {
      ++counts.accepted;
      organizations.push_back(view.standings[i].organization);
    }
  }
  counts.accepted_organizations = CountOrganizations(organizations);
  return counts;
}

}  // namespace

int64_t CountOrganizations(const std::vector<std::string>& organizations) {
  return static_cast<int64_t>(
      std::set<std::string>(organizations.begin(), organizations.end()).size());
}

RecruitingDecision DecideRecruiting(const RecruitingView& view, absl::Time now,
                                    absl::Duration grace) {
  std::vector<std::string> ready;
  for (const Recruit& recruit : view.recruits) {
    if (recruit.ready) ready.push_back(recruit.organization);
  }
  const bool enough = CountOrganizations(ready) >= view.min_contributions;
  const bool everybody = ready.size() == view.recruits.size();
  const absl::Time grace_end = std::min(view.created + grace, view.recruit_deadline);
  if (enough && (everybody || now >= grace_end)) {
    return {RoundEvent::kCohortReady, absl::InfiniteFuture()};
  }
  if (enough) return {std::nullopt, grace_end};
  if (now >= view.recruit_deadline) return {RoundEvent::kTooFew, absl::InfiniteFuture()};
  return {std::nullopt, view.recruit_deadline};
}

TrainingDecision DecideTraining(const TrainingView& view, absl::Time now,
                                const TrainingRules& rules) {
  TrainingDecision decision;
  std::vector<v1::Contribution::State> states;
  for (const Standing& standing : view.standings) states.push_back(standing.state);
  const auto end = [&](size_t i, ContributionEvent event, ErrorReason reason, std::string words) {
    states[i] = *NextState(states[i], event);
    decision.endings.push_back({i, event, reason, std::move(words)});
  };

  const auto silent_at = [&](size_t i) {
    return std::max(view.standings[i].progress, rules.up_since) + rules.silence;
  };
  for (size_t i = 0; i < states.size(); ++i) {
    if (!IsOpen(states[i])) continue;
    if (view.standings[i].removed) {
      end(i, ContributionEvent::kGivenUp, v1::ERROR_REASON_CONTRIBUTION_WITHDRAWN,
          "the member is no longer one");
    } else if (now >= silent_at(i)) {
      end(i, ContributionEvent::kGivenUp, v1::ERROR_REASON_CONTRIBUTOR_SILENT,
          StrCat("no progress for ", absl::FormatDuration(rules.silence)));
    }
  }

  Counts counts = Count(view, states);
  const bool target_reached = view.target_contributions.has_value() &&
                              counts.accepted >= *view.target_contributions &&
                              counts.accepted_organizations >= view.min_contributions;
  const bool late = now >= view.deadline;
  const bool verified_late = now >= view.deadline + rules.verify_bound;
  for (size_t i = 0; i < states.size(); ++i) {
    if (IsOpen(states[i]) && (target_reached || late)) {
      end(i, ContributionEvent::kGivenUp, v1::ERROR_REASON_CONTRIBUTION_LATE,
          target_reached ? "the round closed: it had enough contributions"
                         : "not handed in by the round's deadline");
    } else if (states[i] == v1::Contribution::VERIFYING && (target_reached || verified_late)) {
      end(i, ContributionEvent::kRefused, v1::ERROR_REASON_CONTRIBUTION_LATE,
          target_reached ? "the round closed before it was verified: it had enough contributions"
                         : "its verification did not end in time");
    }
  }

  counts = Count(view, states);
  if (counts.open == 0 && counts.verifying == 0) {
    decision.event = counts.accepted_organizations >= view.min_contributions ? RoundEvent::kClosed
                                                                             : RoundEvent::kTooFew;
    return decision;
  }
  decision.due = late ? view.deadline + rules.verify_bound : view.deadline;
  for (size_t i = 0; i < states.size(); ++i) {
    if (IsOpen(states[i])) decision.due = std::min(decision.due, silent_at(i));
  }
  return decision;
}

}  // namespace federity::rounds
