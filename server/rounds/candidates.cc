#include "server/rounds/candidates.h"

#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::rounds {
namespace {

// Members of the namespace hold their role here too, but an agent serves the one
// repository that it was invited to.
constexpr char kSelectCandidates[] =
    "SELECT m.id, m.organization, o.display_name, a.online_until, "
    "coalesce(a.approved_plan_digest, ''), coalesce(a.approved_program_digest, ''), "
    "coalesce(a.not_ready, '') FROM members m JOIN organizations o ON o.id = m.organization "
    "LEFT JOIN agents a ON a.member = m.id "
    "WHERE m.scope_repository = $1 AND m.removed_at IS NULL AND m.kind = 2 "
    "AND m.role IN (2, 3, 4) ORDER BY o.display_name, m.created_at, m.id";

}  // namespace

std::string OfflineWords(std::optional<absl::Time> since, absl::Time now) {
  if (!since.has_value()) return "offline: never connected";
  const absl::TimeZone utc = absl::UTCTimeZone();
  const bool today = absl::ToCivilDay(*since, utc) == absl::ToCivilDay(now, utc);
  return StrCat("offline since ",
                absl::FormatTime(today ? "%H:%M UTC" : "%Y-%m-%d %H:%M UTC", *since, utc));
}

absl::StatusOr<std::vector<Candidate>> ListCandidates(store::Transaction& transaction,
                                                      std::string_view repository,
                                                      std::string_view plan_digest,
                                                      std::string_view program_digest,
                                                      absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      transaction.Execute(kSelectCandidates, store::Params().Text(repository)));
  std::vector<Candidate> candidates;
  candidates.reserve(rows.size());
  for (const store::Row& row : rows) {
    Candidate candidate;
    candidate.member = row.Text(0);
    candidate.organization = row.Text(1);
    candidate.organization_display_name = row.Text(2);
    const std::optional<absl::Time> online_until = row.OptionalTime(3);
    const std::string plan = row.Text(4);
    const std::string program = row.Text(5);
    const std::string not_ready = row.Text(6);
    if (!online_until.has_value() || *online_until <= now) {
      candidate.readiness = Readiness::kOffline;
      candidate.words = OfflineWords(online_until, now);
    } else if (plan.empty() || program.empty()) {
      candidate.readiness = Readiness::kNotApproved;
      candidate.words = "waiting for approval";
    } else if (plan != plan_digest || program != program_digest) {
      candidate.readiness = Readiness::kApprovalOutdated;
      candidate.words = "approval outdated";
    } else if (!not_ready.empty()) {
      candidate.readiness = Readiness::kNotReady;
      candidate.words = StrCat("not ready: ", not_ready);
    } else {
      candidate.readiness = Readiness::kReady;
      candidate.words = "ready";
    }
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

int64_t CountOrganizations(const std::vector<Candidate>& candidates, bool only_ready) {
  std::vector<std::string> organizations;
  for (const Candidate& candidate : candidates) {
    if (!only_ready || candidate.readiness == Readiness::kReady) {
      organizations.push_back(candidate.organization);
    }
  }
  return CountOrganizations(organizations);
}

std::vector<Recruit> RecruitsOf(const std::vector<Candidate>& candidates) {
  std::vector<Recruit> recruits;
  for (const Candidate& candidate : candidates) {
    recruits.push_back({candidate.organization, candidate.readiness == Readiness::kReady});
  }
  return recruits;
}

std::string DescribeCandidates(const std::vector<Candidate>& candidates) {
  constexpr size_t kShown = 20;
  std::string text;
  for (size_t i = 0; i < candidates.size() && i < kShown; ++i) {
    if (i > 0) text += ", ";
    text += StrCat(candidates[i].organization_display_name, " (", candidates[i].words, ")");
  }
  if (candidates.size() > kShown) text += StrCat(" and ", candidates.size() - kShown, " more");
  return text.empty() ? "nobody" : text;
}

}  // namespace federity::rounds
