// log, show, tag, revert.
#include <cmath>
#include <memory>

#include "absl/strings/str_join.h"
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/commits.h"
#include "client/cli/figures.h"
#include "client/cli/session.h"
#include "client/terminal/format.h"
#include "client/terminal/text.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/crypto/secret.h"

namespace federity::cli {
namespace {

using terminal::Json;
using terminal::Printable;
using Stub = v1::CommitService::Stub;

struct CommitOptions {
  std::string commit;
  std::string message;
  std::string tag;
  size_t limit = 50;
  bool force = false;
  bool remove = false;
};

// The round's number, or who did it otherwise.
std::string Origin(const v1::Commit& commit) {
  return commit.round().empty() ? ShortId(commit.creator())
                                : StrCat("round ", LastSegment(commit.round()));
}

// With what the metrics' sums say; null until three organisations measured it.
Json CommitJson(const v1::Commit& commit) {
  Json json = terminal::ToJson(commit);
  const Json figures = commit.has_metrics() ? ToJson(FiguresOf(commit.metrics())) : Json(nullptr);
  json["contributions"] = commit.contribution_count();
  json["accuracy"] = figures.is_null() ? figures : figures["accuracy"];
  json["loss"] = figures.is_null() ? figures : figures["loss"];
  return json;
}

absl::Status Log(CliContext& cli, const CommitOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, options.commit));
  v1::ListCommitsRequest request;
  request.set_parent(session.scope());
  FEDERITY_ASSIGN_OR_RETURN(
      const std::vector<v1::Commit> commits,
      session.List(&Stub::ListCommits, request, &v1::ListCommitsResponse::commits, options.limit));
  constexpr auto kRight = terminal::Align::kRight;
  terminal::Table table({{"VERSION"},
                         {"COMMIT"},
                         {"FROM"},
                         {"MERGED", kRight},
                         {"ACCURACY", kRight},
                         {"LOSS", kRight},
                         {"MADE"},
                         {"TAGS"},
                         {"MESSAGE"}});
  Json list = Json::array();
  for (const v1::Commit& commit : commits) {
    const bool measured = commit.has_metrics() && commit.metrics().examples() > 0;
    const Figures figures = FiguresOf(commit.metrics());
    const auto accuracy = measured && !std::isnan(figures.accuracy);
    table.Add({StrCat("v", commit.version()), ShortCommit(commit.name()), Origin(commit),
               commit.contribution_count() > 0 ? StrCat(commit.contribution_count()) : "",
               accuracy ? terminal::FormatPercent(figures.accuracy) : "",
               measured ? terminal::FormatNumber(figures.loss) : "",
               terminal::FormatTime(terminal::ToTime(commit.create_time())),
               absl::StrJoin(commit.tags(), ","), commit.message()});
    list.push_back(CommitJson(commit));
  }
  cli.output.Show(table, "No commits yet.");
  cli.output.Document({{"commits", std::move(list)}});
  return absl::OkStatus();
}

std::string Describe(const v1::Commit& commit) {
  terminal::Properties lines;
  lines.Add("Version", StrCat("v", commit.version()));
  lines.Add("Commit", LastSegment(commit.name()));
  lines.Add("Digest", commit.digest());
  lines.Add("Parent", commit.parent().empty() ? "none" : LastSegment(commit.parent()));
  lines.Add("Made", terminal::FormatTime(terminal::ToTime(commit.create_time())));
  lines.Add("From", Origin(commit));
  lines.Add("Message", commit.message());
  if (commit.tags_size() > 0) lines.Add("Tags", absl::StrJoin(commit.tags(), ", "));
  if (commit.contribution_count() > 0) {
    lines.Add("Merged", StrCat(commit.contribution_count(), " contributions, ", commit.examples(),
                               " examples"));
  }
  lines.Add("Parameters", StrCat(commit.parameter_count()));
  lines.Add("Program",
            StrCat(commit.program_digest(), "  ", terminal::FormatBytes(commit.program_bytes())));
  lines.Add("Weights",
            StrCat(commit.weights_digest(), "  ", terminal::FormatBytes(commit.weights_bytes())));
  lines.Add("Plan", commit.plan_digest());
  lines.Add("Standardisation",
            commit.standardisation_digest().empty() ? "none" : commit.standardisation_digest());
  return lines.ToString();
}

absl::Status Show(CliContext& cli, const CommitOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const OpenedCommit opened, OpenCommit(cli, options.commit));
  const v1::Commit& commit = opened.commit;
  cli.output.Text(Describe(commit));
  if (commit.has_metrics()) {
    cli.output.Line(StrCat("Measured by ", commit.metrics().contributors(),
                           " contributors on rows they did not train on:"));
    cli.output.Text(ToText(FiguresOf(commit.metrics()), {}));
  }
  cli.output.Document(CommitJson(commit));
  return absl::OkStatus();
}

absl::Status ListTags(CliContext& cli, const Session& session) {
  v1::ListTagsRequest request;
  request.set_parent(session.scope());
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<v1::Tag> tags,
                            session.List(&Stub::ListTags, request, &v1::ListTagsResponse::tags));
  terminal::Table table({{"TAG"}, {"COMMIT"}, {"SET"}});
  Json list = Json::array();
  for (const v1::Tag& tag : tags) {
    table.Add({LastSegment(tag.name()), ShortCommit(tag.commit()),
               terminal::FormatTime(terminal::ToTime(tag.create_time()))});
    list.push_back(terminal::ToJson(tag));
  }
  cli.output.Show(table, "No tags.");
  cli.output.Document({{"tags", std::move(list)}});
  return absl::OkStatus();
}

absl::Status Tag(CliContext& cli, const CommitOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const CommitReference reference, CommitArgument(options.commit));
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenCommitScope(cli, options.commit));
  if (options.tag.empty()) return ListTags(cli, session);
  const std::string name = StrCat(session.scope(), "/tags/", options.tag);
  if (options.remove) {
    v1::DeleteTagRequest request;
    request.set_name(name);
    request.set_request_id(crypto::RandomUuid());
    FEDERITY_RETURN_IF_ERROR(session.Call(&Stub::DeleteTag, request).status());
    cli.output.Line(StrCat("Removed tag ", options.tag, "."));
    cli.output.Document({{"deleted", name}});
    return absl::OkStatus();
  }
  v1::SetTagRequest request;
  request.set_name(name);
  request.set_commit(CommitName(reference));
  request.set_force(options.force);
  request.set_request_id(crypto::RandomUuid());
  const auto tag = session.Call(&Stub::SetTag, request);
  if (absl::IsAlreadyExists(tag.status())) {
    return Annotate(tag.status(), StrCat("tag ", options.tag, " (--force moves it)"));
  }
  FEDERITY_RETURN_IF_ERROR(tag.status());
  cli.output.Line(StrCat(options.tag, " is ", ShortCommit(tag->commit()), "."));
  cli.output.Document(terminal::ToJson(*tag));
  return absl::OkStatus();
}

absl::Status Revert(CliContext& cli, const CommitOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const OpenedCommit opened, OpenCommit(cli, options.commit));
  v1::RevertCommitRequest request;
  request.set_name(opened.commit.name());
  request.set_message(options.message.empty() ? StrCat("Back to v", opened.commit.version())
                                              : options.message);
  request.set_request_id(crypto::RandomUuid());
  FEDERITY_ASSIGN_OR_RETURN(const v1::Commit made,
                            opened.session.Call(&Stub::RevertCommit, request));
  cli.output.Line(StrCat("v", made.version(), " ", ShortCommit(made.name()),
                         " has program, plan and weights of v", opened.commit.version(), "."));
  cli.output.Document(CommitJson(made));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Session> OpenCommitScope(CliContext& cli, std::string_view text) {
  FEDERITY_RETURN_IF_ERROR(CommitArgument(text).status());
  return OpenRepository(cli, text.substr(0, text.find('@')));
}

absl::StatusOr<OpenedCommit> OpenCommit(CliContext& cli, std::string_view text) {
  FEDERITY_ASSIGN_OR_RETURN(const CommitReference reference, CommitArgument(text));
  FEDERITY_ASSIGN_OR_RETURN(Session session, OpenCommitScope(cli, text));
  v1::GetCommitRequest request;
  request.set_name(CommitName(reference));
  FEDERITY_ASSIGN_OR_RETURN(v1::Commit commit, session.Call(&Stub::GetCommit, request));
  return OpenedCommit{.session = std::move(session), .commit = std::move(commit)};
}

void AddCommitCommands(Commands& commands) {
  const auto o = std::make_shared<CommitOptions>();
  const auto add = [&](const char* name, const char* what, auto run) {
    auto* command = commands.app.add_subcommand(name, what);
    command->group(kGroupOwn);
    commands.On(command, [o, run](CliContext& cli) { return run(cli, *o); });
    return command;
  };
  auto* log = add("log", "The versions of a model, newest first", Log);
  log->add_option("REPO", o->commit, "OWNER/NAME")->required()->check(IsRepository());
  log->add_option("--limit", o->limit, "At most so many")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  const auto with_commit = [&](CLI::App* command) {
    command->add_option("REPO[@COMMIT]", o->commit, "By digest, v3, tag or head (default)")
        ->required()
        ->check(IsCommit());
    return command;
  };
  with_commit(add("show", "One version in detail", Show));
  auto* tag = with_commit(add("tag", "Name a version; without NAME: list the names", Tag));
  tag->add_option("NAME", o->tag, "[a-z0-9.-]");
  tag->add_flag("--force", o->force, "Move it if it exists");
  tag->add_flag("--delete", o->remove, "Remove it");
  auto* revert = with_commit(add("revert", "Make an earlier version the newest again", Revert));
  revert->add_option("-m,--message", o->message, "Why");
}

}  // namespace federity::cli
