// repo create, list, show, delete; push.
#include <map>
#include <memory>
#include <utility>

#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/coordinators.h"
#include "client/cli/interrupt.h"
#include "client/cli/jobs.h"
#include "client/cli/session.h"
#include "client/identity/choose.h"
#include "client/terminal/format.h"
#include "client/terminal/text.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "federity/v1/commits.grpc.pb.h"
#include "federity/v1/plans.grpc.pb.h"
#include "federity/v1/repositories.grpc.pb.h"

namespace federity::cli {
namespace {

using terminal::Json;
using terminal::Printable;

struct CreateOptions {
  std::string repository;
  std::string model;
  std::string plan;
  std::string description;
};

struct PushOptions {
  std::string repository;
  std::string model;
  std::string message;
};

absl::StatusOr<v1::Repository> GetRepository(const Session& session) {
  v1::GetRepositoryRequest request;
  request.set_name(session.scope());
  return session.Call(&v1::RepositoryService::Stub::GetRepository, request);
}

absl::StatusOr<v1::Commit> GetCommit(const Session& session, const std::string& name) {
  v1::GetCommitRequest request;
  request.set_name(name);
  return session.Call(&v1::CommitService::Stub::GetCommit, request);
}

// Makes the repository. One that is there already with the same plan and no
// commit is what an interrupted call left: go on with it.
absl::StatusOr<v1::Repository> CreateOrContinue(const Session& session,
                                                const CreateOptions& options, const Plan& plan) {
  FEDERITY_ASSIGN_OR_RETURN(const ResourceName name, ParseResourceName(session.scope()));
  v1::CreateRepositoryRequest request;
  request.set_parent(name.organization_name());
  request.set_repository_id(name.repository);
  request.set_description(options.description);
  request.set_plan_toml(FormatPlan(plan));
  request.set_request_id(crypto::RandomUuid());
  auto created = session.Call(&v1::RepositoryService::Stub::CreateRepository, request);
  if (!absl::IsAlreadyExists(created.status())) return created;
  FEDERITY_ASSIGN_OR_RETURN(v1::Repository existing, GetRepository(session));
  if (existing.plan_digest() != PlanDigest(plan).ToString()) {
    return Error(v1::ERROR_REASON_ALREADY_EXISTS,
                 StrCat("repository ", options.repository,
                        " exists with another plan; use federity push and federity plan set, or "
                        "another name"));
  }
  return existing;
}

// Uploads the parts that the parent does not have and commits.
absl::StatusOr<v1::Commit> Commit(CliContext& cli, const Session& session,
                                  const v1::Repository& repository, const SplitModel& model,
                                  const std::string& message) {
  // A repository that was deleted and made again is another one.
  const std::string purpose = StrCat(repository.head(), "\n", repository.create_time().seconds(),
                                     ".", repository.create_time().nanos());
  v1::CreateCommitRequest request;
  request.set_parent(session.scope());
  request.set_parent_commit(repository.head());
  request.set_message(message);
  request.set_request_id(crypto::RandomUuid());
  if (repository.program_digest() != model.program_digest.ToString()) {
    FEDERITY_ASSIGN_OR_RETURN(*request.mutable_program_upload(),
                              Upload(cli, session, model.parts.program, model.program_digest,
                                     purpose, "uploading the program"));
  }
  FEDERITY_ASSIGN_OR_RETURN(*request.mutable_weights_upload(),
                            Upload(cli, session, model.parts.weights, model.weights_digest, purpose,
                                   "uploading the weights"));
  return session.Call(&v1::CommitService::Stub::CreateCommit, request);
}

// The head, if it is what this call would make.
absl::StatusOr<v1::Commit> SameHead(const Session& session, const v1::Repository& repository,
                                    const SplitModel& model) {
  FEDERITY_ASSIGN_OR_RETURN(v1::Commit head, GetCommit(session, repository.head()));
  if (head.program_digest() == model.program_digest.ToString() &&
      head.weights_digest() == model.weights_digest.ToString()) {
    return head;
  }
  return Error(v1::ERROR_REASON_ALREADY_EXISTS,
               StrCat("the repository exists with another model, version ", head.version(),
                      "; put this one on top with federity push, or use another name"));
}

void ShowCommitted(CliContext& cli, const std::string& repository, const v1::Commit& commit) {
  cli.output.Line(StrCat(repository, "@v", commit.version(), "  ", ShortCommit(commit.name()), "  ",
                         commit.parameter_count(), " parameters  ",
                         terminal::FormatBytes(commit.program_bytes() + commit.weights_bytes())));
}

absl::Status Create(CliContext& cli, const CreateOptions& options) {
  InterruptScope interrupts;
  // Everything that can be wrong on this side is found before anything exists
  // on the other.
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, ReadPlan(cli, options.plan));
  FEDERITY_ASSIGN_OR_RETURN(const WorkDirectory work, WorkDirectory::Make());
  FEDERITY_ASSIGN_OR_RETURN(const SplitModel model, Split(cli, options.model, plan, work.path()));
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, options.repository));
  FEDERITY_ASSIGN_OR_RETURN(v1::Repository repository, CreateOrContinue(session, options, plan));
  FEDERITY_ASSIGN_OR_RETURN(const v1::Commit commit,
                            repository.head().empty()
                                ? Commit(cli, session, repository, model, "First version")
                                : SameHead(session, repository, model));
  FEDERITY_ASSIGN_OR_RETURN(repository, GetRepository(session));
  cli.output.Line(StrCat("Created ", options.repository, "."));
  ShowCommitted(cli, options.repository, commit);
  for (const std::string& line : repository.privacy_lines()) cli.output.Line(Printable(line));
  cli.output.Line(StrCat("Next: federity invite ", options.repository,
                         " --role contributor --org NAME --for agent"));
  cli.output.Document({{"repository", terminal::ToJson(repository)},
                       {"commit", terminal::ToJson(commit)},
                       {"warnings", PlanWarnings(plan)}});
  return absl::OkStatus();
}

absl::Status Push(CliContext& cli, const PushOptions& options) {
  InterruptScope interrupts;
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, options.repository));
  FEDERITY_ASSIGN_OR_RETURN(const v1::Repository repository, GetRepository(session));
  v1::GetPlanRequest request;
  request.set_name(repository.plan());
  FEDERITY_ASSIGN_OR_RETURN(const v1::Plan stored,
                            session.Call(&v1::PlanService::Stub::GetPlan, request));
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, ParsePlan(stored.toml()));
  FEDERITY_ASSIGN_OR_RETURN(const WorkDirectory work, WorkDirectory::Make());
  FEDERITY_ASSIGN_OR_RETURN(const SplitModel model, Split(cli, options.model, plan, work.path()));
  FEDERITY_ASSIGN_OR_RETURN(const v1::Commit commit,
                            Commit(cli, session, repository, model, options.message));
  ShowCommitted(cli, options.repository, commit);
  if (!repository.program_digest().empty() &&
      repository.program_digest() != commit.program_digest()) {
    cli.output.Note("The program changed: every agent needs a new approval before it trains.");
  }
  cli.output.Document(terminal::ToJson(commit));
  return absl::OkStatus();
}

absl::Status List(CliContext& cli) {
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<identity::Identity> all, cli.store.List());
  // Each membership sees its own part; a repository seen twice is shown with
  // the role that came first.
  std::map<std::string, std::pair<v1::Repository, std::string>> found;
  for (const identity::Identity& one : AtChosen(all, ReadChoice(cli.home))) {
    FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenMembership(cli, one, one.scope));
    FEDERITY_ASSIGN_OR_RETURN(const std::vector<v1::Repository> repositories,
                              session.List(&v1::RepositoryService::Stub::ListRepositories, {},
                                           &v1::ListRepositoriesResponse::repositories));
    for (const v1::Repository& repository : repositories) {
      found.try_emplace(StrCat(one.ca_fingerprint, repository.name()), repository, one.address);
    }
  }
  terminal::Table table({{"REPOSITORY"},
                         {"YOUR ROLE"},
                         {"HEAD"},
                         {"MEMBERS", terminal::Align::kRight},
                         {"COORDINATOR"},
                         {"DESCRIPTION"}});
  Json list = Json::array();
  for (const auto& [key, value] : found) {
    const auto& [repository, address] = value;
    table.Add({identity::ShortScope(repository.name()), RoleText(repository.caller_role()),
               ShortCommit(repository.head()), StrCat(repository.member_count()), address,
               repository.description()});
    list.push_back(terminal::ToJson(repository));
    list.back()["coordinator"] = address;
  }
  cli.output.Show(table, all.empty() ? kMemberOfNothing : "No repositories yet.");
  cli.output.Document({{"repositories", std::move(list)}});
  return absl::OkStatus();
}

absl::Status Show(CliContext& cli, const std::string& name) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, name));
  FEDERITY_ASSIGN_OR_RETURN(const v1::Repository repository, GetRepository(session));
  terminal::Properties lines;
  lines.Add("Repository", name);
  if (!repository.description().empty()) lines.Add("Description", repository.description());
  lines.Add("Coordinator", session.identity().address);
  lines.Add("Created", terminal::FormatTime(terminal::ToTime(repository.create_time())));
  lines.Add("Your role", RoleText(repository.caller_role()));
  lines.Add("Members", StrCat(repository.member_count()));
  lines.Add("Head", repository.head().empty() ? "none yet" : LastSegment(repository.head()));
  lines.Add("Program", repository.program_digest());
  lines.Add("Plan", repository.plan_digest());
  lines.Add("Standardisation", repository.standardisation().empty()
                                   ? "none"
                                   : LastSegment(repository.standardisation()));
  cli.output.Text(lines.ToString());
  for (const std::string& line : repository.privacy_lines()) cli.output.Line(Printable(line));
  cli.output.Document(terminal::ToJson(repository));
  return absl::OkStatus();
}

absl::Status Delete(CliContext& cli, const std::string& name, bool yes) {
  FEDERITY_ASSIGN_OR_RETURN(const Session session, OpenRepository(cli, name));
  FEDERITY_RETURN_IF_ERROR(terminal::Confirm(
      cli.output, StrCat("Delete ", name, " with all versions of its model, for ever?"), yes));
  v1::DeleteRepositoryRequest request;
  request.set_name(session.scope());
  request.set_request_id(crypto::RandomUuid());
  FEDERITY_RETURN_IF_ERROR(
      session.Call(&v1::RepositoryService::Stub::DeleteRepository, request).status());
  if (session.identity().scope == session.scope()) {
    FEDERITY_RETURN_IF_ERROR(cli.store.Remove(session.identity().id));
  }
  cli.output.Line(StrCat("Deleted ", name, "; its blobs' key is destroyed."));
  cli.output.Document({{"deleted", session.scope()}});
  return absl::OkStatus();
}

void AddCreate(Commands& commands, CLI::App& repo) {
  auto* create = repo.add_subcommand("create", "From a model saved by torch.jit and a plan");
  auto o = std::make_shared<CreateOptions>();
  create->add_option("REPO", o->repository, "OWNER/NAME")->required()->check(IsRepository());
  create->add_option("--model", o->model, "TorchScript archive")
      ->required()
      ->check(CLI::ExistingFile);
  create->add_option("--plan", o->plan, "The plan, TOML")->required()->check(CLI::ExistingFile);
  create->add_option("--description", o->description, "One line about it");
  commands.On(create, [o](CliContext& cli) { return Create(cli, *o); });
}

void AddPush(Commands& commands) {
  auto* push = commands.app.add_subcommand("push", "A new version of the model, from a file");
  push->group(kGroupOwn);
  auto o = std::make_shared<PushOptions>();
  push->add_option("REPO", o->repository, "OWNER/NAME")->required()->check(IsRepository());
  push->add_option("--model", o->model, "TorchScript archive")
      ->required()
      ->check(CLI::ExistingFile);
  push->add_option("-m,--message", o->message, "What changed")->required();
  commands.On(push, [o](CliContext& cli) { return Push(cli, *o); });
}

}  // namespace

void AddRepositoryCommands(Commands& commands) {
  auto* repo = commands.app.add_subcommand("repo", "Repositories: create, list, show, delete");
  repo->group(kGroupOwn)->require_subcommand(1);
  AddCreate(commands, *repo);
  commands.On(repo->add_subcommand("list", "Those that you may know of"), List);
  auto* show = repo->add_subcommand("show", "One, and what its coordinator sees");
  auto name = std::make_shared<std::string>();
  show->add_option("REPO", *name, "OWNER/NAME")->required()->check(IsRepository());
  commands.On(show, [name](CliContext& cli) { return Show(cli, *name); });
  auto* remove = repo->add_subcommand("delete", "Delete one with all its versions");
  auto yes = std::make_shared<bool>(false);
  remove->add_option("REPO", *name, "OWNER/NAME")->required()->check(IsRepository());
  remove->add_flag("--yes", *yes, "Do not ask");
  commands.On(remove, [name, yes](CliContext& cli) { return Delete(cli, *name, *yes); });
  AddPush(commands);
}

}  // namespace federity::cli
