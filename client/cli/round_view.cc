#include "client/cli/round_view.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "client/cli/arguments.h"
#include "client/terminal/format.h"
#include "client/terminal/table.h"
#include "client/terminal/text.h"
#include "common/base/strings.h"

namespace federity::cli {
namespace {

using terminal::Printable;
using terminal::ToTime;

// "training 40 %" and "training 41 %" say the same to a log.
std::string WithoutDigits(std::string text) {
  std::erase_if(text, [](unsigned char c) { return std::isdigit(c) || c == '.'; });
  return text;
}

std::string Title(const v1::Round& round) {
  std::string title = StrCat("round ", LastSegment(round.name()));
  if (round.series_count() > 1) {
    title += StrCat(" (", round.series_index(), " of ", round.series_count(), ")");
  }
  return title;
}

std::string TimeLeft(const v1::Round& round, absl::Time now) {
  const absl::Time end =
      ToTime(round.state() == v1::Round::RECRUITING ? round.recruit_deadline() : round.deadline());
  if (end == absl::InfinitePast() || round.state() == v1::Round::MERGING) return {};
  return end > now ? StrCat(", ", terminal::FormatElapsed(end - now), " left")
                   : ", past its deadline";
}

// What follows the state's name. A reason that begins with that word itself, as
// "cancelled by a maintainer" does, goes on from it.
std::string Ending(const v1::Round& round) {
  const absl::Duration took = ToTime(round.end_time()) - ToTime(round.create_time());
  if (round.state() != v1::Round::COMMITTED) {
    if (round.failure().empty()) return ": no reason given";
    const std::string reason = Printable(round.failure());
    const std::string state = terminal::EnumText(round.state());
    const bool doubled =
        absl::StartsWithIgnoreCase(reason, state) &&
        !(reason.size() > state.size() && absl::ascii_isalnum(reason[state.size()]));
    return doubled ? reason.substr(state.size()) : StrCat(": ", reason);
  }
  const int merged = Count(round, v1::Contribution::ACCEPTED);
  return StrCat(", commit ", ShortCommit(round.commit()), ", ", merged,
                merged == 1 ? " contribution, " : " contributions, ",
                terminal::FormatElapsed(took));
}

}  // namespace

bool HasEnded(const v1::Round& round) {
  return round.has_end_time() || round.state() == v1::Round::COMMITTED ||
         round.state() == v1::Round::FAILED || round.state() == v1::Round::CANCELLED;
}

int Count(const v1::Round& round, v1::Contribution::State state) {
  const int index = static_cast<int>(state) - static_cast<int>(v1::Contribution::ASSIGNED);
  return index >= 0 && index < round.contribution_counts_size() ? round.contribution_counts(index)
                                                                : 0;
}

terminal::Json RoundJson(const v1::Round& round) {
  terminal::Json json = terminal::ToJson(round);
  json["accepted"] = Count(round, v1::Contribution::ACCEPTED);
  return json;
}

std::string RoundHeadline(const v1::Round& round, absl::Time now) {
  const std::string state = terminal::EnumText(round.state());
  if (HasEnded(round)) return StrCat(Title(round), ": ", state, Ending(round));
  std::string figures;
  if (round.state() != v1::Round::RECRUITING) {
    int all = 0;
    for (const int count : round.contribution_counts()) all += count;
    figures = StrCat(", ", Count(round, v1::Contribution::ACCEPTED), " of ", all, " accepted");
  }
  return StrCat(Title(round), ": ", state, figures, TimeLeft(round, now));
}

std::vector<std::string> RoundLines(const v1::Round& round, absl::Time now) {
  std::vector<std::string> lines = {RoundHeadline(round, now)};
  if (!HasEnded(round) && !round.waiting_for().empty()) {
    lines.push_back(StrCat("waits for: ", Printable(round.waiting_for())));
  }
  if (round.participants().empty()) return lines;
  terminal::Table table({{"  MEMBER"}, {"ORGANISATION"}, {"STATUS"}});
  for (const v1::Participant& one : round.participants()) {
    table.Add({StrCat("  ", ShortId(one.member())), one.organization_display_name(), one.status()});
  }
  for (std::string& line : table.Lines()) lines.push_back(std::move(line));
  return lines;
}

std::vector<std::string> RoundLog::Changes(const v1::Round& round, absl::Time now) {
  if (std::exchange(round_, round.name()) != round.name()) {
    headline_.clear();
    waiting_.clear();
    statuses_.clear();
  }
  std::vector<std::string> lines;
  // The time left runs by itself; state and accepted contributions are news.
  const std::string key =
      StrCat(terminal::EnumText(round.state()), Count(round, v1::Contribution::ACCEPTED));
  const bool news = std::exchange(headline_, key) != key;
  // How it ended stands last.
  if (news && !HasEnded(round)) lines.push_back(RoundHeadline(round, now));
  for (const v1::Participant& one : round.participants()) {
    const std::string status = WithoutDigits(one.status());
    if (std::exchange(statuses_[one.member()], status) == status) continue;
    lines.push_back(StrCat("  ", Printable(one.organization_display_name()), " (",
                           ShortId(one.member()), "): ", Printable(one.status())));
  }
  if (HasEnded(round)) {
    if (news) lines.push_back(RoundHeadline(round, now));
    return lines;
  }
  const std::string waiting = WithoutDigits(round.waiting_for());
  if (std::exchange(waiting_, waiting) != waiting && !waiting.empty()) {
    lines.push_back(StrCat("  waits for: ", Printable(round.waiting_for())));
  }
  return lines;
}

}  // namespace federity::cli
