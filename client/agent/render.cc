#include "client/agent/render.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "client/state/json_reader.h"
#include "client/terminal/format.h"
#include "client/terminal/table.h"
#include "client/terminal/text.h"
#include "common/base/strings.h"

namespace federity::agent {
namespace {

using nlohmann::json;
using state::JsonReader;

// Much of what is shown was written elsewhere: nothing of it may steer the terminal.
std::string Text(const json& object, const char* key) {
  return terminal::Printable(JsonReader(object).String(key));
}
// Local time, to the minute.
std::string Moment(const json& object, const char* key) {
  return terminal::FormatTime(JsonReader(object).Time(key));
}
int64_t Number(const json& object, const char* key) { return JsonReader(object).Integer(key); }
bool Is(const json& object, const char* key) { return JsonReader(object).Boolean(key); }
const json& List(const json& object, const char* key) { return JsonReader(object).Array(key); }

std::string Row(std::string_view name, std::string_view text) {
  return absl::StrFormat("  %-12s %s\n", ToAbsl(name), ToAbsl(text));
}

std::string LimitsText(const json& limits, int64_t rounds_used) {
  std::vector<std::string> parts;
  if (const int64_t rounds = Number(limits, "rounds"); rounds > 0)
    parts.push_back(StrCat(rounds_used, " of ", rounds, " rounds used"));
  else
    parts.push_back(StrCat(rounds_used, " rounds so far"));
  if (!Text(limits, "expires").empty()) parts.push_back("until " + Moment(limits, "expires"));
  if (const auto hours = Text(limits, "hours"); !hours.empty()) parts.push_back(hours);
  if (const auto cpus = Number(limits, "cpus"); cpus > 0) parts.push_back(StrCat(cpus, " CPUs"));
  if (const auto memory = Number(limits, "memory_bytes"); memory > 0)
    parts.push_back(terminal::FormatBytes(memory));
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::string DatasetText(const json& dataset) {
  return StrCat(Text(dataset, "label"), ": ", Text(dataset, "kind"), ", ", Number(dataset, "rows"),
                " rows, ", Text(dataset, "path"));
}

std::string WorkText(const json& work) {
  std::string text = StrCat(Text(work, "kind"), " for ", Text(work, "repository"));
  if (const std::string phase = Text(work, "phase"); !phase.empty())
    text += absl::StrFormat(", %s %.0f %%", phase, 100 * JsonReader(work).Number("fraction"));
  return text;
}

std::string RenderMembership(const json& membership) {
  std::string text =
      StrCat("\n", Text(membership, "repository"), " at ", Text(membership, "coordinator"), ", as ",
             Text(membership, "organization"), "\n");
  text += Row("connection", Text(membership, "connection"));
  if (const json& addresses = List(membership, "addresses"); addresses.size() > 1) {
    std::string all;
    for (const json& address : addresses) {
      if (address.is_string()) all += (all.empty() ? "" : ", ") + address.get<std::string>();
    }
    text += Row("addresses", all);
  }
  std::string approval = Text(membership, "approval");
  if (approval != "none")
    approval += StrCat(
        " (",
        LimitsText(JsonReader(membership).Object("limits"), Number(membership, "rounds_used")),
        ")");
  if (approval != "none" || !Text(membership, "approval_digest").empty()) {
    if (Text(membership, "approval") != "current")
      approval += StrCat("; to approve: ", Text(membership, "approval_digest"));
  }
  text += Row("approval", approval);
  for (const json& dataset : List(membership, "datasets"))
    text += Row("data set", StrCat(DatasetText(dataset), ", ", Text(dataset, "state")));
  if (List(membership, "datasets").empty())
    text += Row("data set", "none; run `federity-agent dataset add PATH`");
  const std::string why = Text(membership, "not_ready");
  text += Row("ready", why.empty() ? "yes" : "no: " + why);
  if (const auto digest = Text(membership, "standardisation"); !digest.empty())
    text += Row("standardised", digest);
  text += Row("certificate", "until " + Moment(membership, "certificate_expires"));
  if (const auto error = Text(membership, "last_error"); !error.empty())
    text += Row("last error", error);
  return text;
}

std::string RenderStatus(const json& status) {
  std::string text = StrCat("federity-agent ", Text(status, "version"), ", ");
  text += Is(status, "running") ? StrCat("running (pid ", Number(status, "pid"), ")")
                                : std::string("not running");
  text += StrCat(Is(status, "paused") ? ", paused" : "", ", state in ", Text(status, "state_dir"),
                 "\n");
  if (const json& work = JsonReader(status).Object("work"); work.is_object())
    text += StrCat("now: ", WorkText(work), "\n");
  if (const int64_t queued = Number(status, "queued"); queued > 0)
    text += StrCat("waiting: ", queued, "\n");
  for (const json& entry : List(status, "outbox"))
    text += StrCat("outbox: ", Text(entry, "repository"), " ", Text(entry, "round"), ", ",
                   Text(entry, "step"), ", ", terminal::FormatBytes(Number(entry, "bytes")), "\n");
  for (const json& membership : List(status, "memberships")) text += RenderMembership(membership);
  if (List(status, "memberships").empty())
    text += "no membership; run `federity-agent join LINK`\n";
  return text;
}

std::string RenderApproval(const json& approval) {
  std::string text =
      StrCat("# ", Text(approval, "repository"), " at ", Text(approval, "coordinator"),
             "\n\nThe plan (", Text(approval, "plan_digest"), "):\n\n",
             PrintableLines(JsonReader(approval).String("plan")), "\n");
  const auto lines = [&](const char* key, std::string_view title) {
    if (List(approval, key).empty()) return;
    text += StrCat(title, "\n");
    for (const std::string& line : JsonReader(approval).Strings(key))
      text += "  - " + terminal::Printable(line) + "\n";
    text += "\n";
  };
  lines("warnings", "Think twice about:");
  lines("changes", "Different from what is approved here now:");
  if (Is(approval, "program_changed")) text += "The program is another one than approved.\n\n";
  text += StrCat("The program: ", Text(approval, "program_digest"), "\n\n");
  lines("leaves", "What leaves this machine, and nothing else:");
  lines("privacy", "What the coordinator says about the repository:");
  text += "It trains on:\n";
  for (const json& dataset : List(approval, "datasets"))
    text += "  - " + DatasetText(dataset) + "\n";
  if (List(approval, "datasets").empty())
    text += "  - nothing yet (`federity-agent dataset add PATH`)\n";
  text += StrCat("\nLimits: ", LimitsText(JsonReader(approval).Object("limits"), 0),
                 "\nTo approve: ", Text(approval, "approval_digest"), "\n");
  if (Is(approval, "approved")) text += "This is approved on this machine.\n";
  return text;
}

std::string RenderDatasets(const json& result) {
  terminal::Table table(
      {{"REPOSITORY"}, {"NAME"}, {"KIND"}, {"ROWS", terminal::Align::kRight}, {"STATE"}, {"PATH"}});
  for (const json& dataset : List(result, "datasets"))
    table.Add({Text(dataset, "repository"), Text(dataset, "label"), Text(dataset, "kind"),
               StrCat(Number(dataset, "rows")), Is(dataset, "changed") ? "changed" : "ok",
               Text(dataset, "path")});
  return table.empty() ? "no data set; run `federity-agent dataset add PATH`\n" : table.ToString();
}

std::string RenderChecks(const json& result) {
  std::string text;
  for (const json& check : List(result, "checks")) {
    text += StrCat(Text(check, "label"), ": ", Number(check, "rows"), " rows meet the plan");
    if (const int64_t clipped = Number(check, "clipped_values"); clipped > 0)
      text += StrCat(", ", clipped, " values are outside data.range and clipped");
    text += "\n";
    for (const json& item : List(check, "classes"))
      text += StrCat("  class ", Text(item, "class"), ": ", Number(item, "rows"), " rows\n");
    for (const json& problem : List(check, "problems")) {
      text += "  ";
      if (const int64_t row = Number(problem, "row"); row > 0) text += StrCat("row ", row, ", ");
      if (const auto column = Text(problem, "column"); !column.empty())
        text += StrCat("'", column, "': ");
      text += Text(problem, "message") + "\n";
    }
  }
  return text;
}

std::string RenderLog(const json& result) {
  std::string text;
  for (const json& entry : List(result, "entries")) {
    text += StrCat(Text(entry, "time"), "  ", Text(entry, "event"));
    if (const auto repository = Text(entry, "repository"); !repository.empty())
      text += "  " + repository;
    if (const auto more = Text(entry, "text"); !more.empty()) text += "  " + more;
    text += "\n";
  }
  return text.empty() ? "nothing happened yet\n" : text;
}

}  // namespace

std::string Render(std::string_view command, const json& result) {
  if (command == "status") return RenderStatus(result);
  if (command == "log") return RenderLog(result);
  if (command == "dataset list" || command == "dataset refresh") return RenderDatasets(result);
  if (command == "dataset check") return RenderChecks(result);
  if (command == "approve") return RenderApproval(result);
  const std::string repository = Text(result, "repository");
  if (command == "join")
    return StrCat("joined ", repository, " at ", Text(result, "coordinator"), " as ",
                  Text(result, "organization"), "\nnext: federity-agent dataset add PATH --repo ",
                  repository, "\n      federity-agent approve ", repository,
                  "\n      federity-agent run\n");
  if (command == "dataset add")
    return StrCat("registered ", DatasetText(result), "\nnext: federity-agent approve ", repository,
                  "\n");
  if (command == "dataset remove") return StrCat("removed ", Text(result, "label"), "\n");
  if (command == "leave") return StrCat("left ", repository, "; its keys are gone\n");
  if (command == "revoke") return StrCat("nothing runs for ", repository, " any more\n");
  if (command == "pause" || command == "resume")
    return StrCat(Is(result, "paused") ? "paused" : "resumed", repository.empty() ? "" : " for ",
                  repository, "\n");
  return state::FormatJson(result) + "\n";
}

std::string PrintableLines(std::string_view text) {
  std::string lines;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n'))
    lines += (lines.empty() ? "" : "\n") + terminal::Printable(ToStd(line));
  return lines;
}

}  // namespace federity::agent
