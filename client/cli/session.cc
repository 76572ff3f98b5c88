#include "client/cli/session.h"

#include <cstdlib>
#include <memory>

#include "client/cli/arguments.h"
#include "client/cli/coordinators.h"
#include "client/terminal/text.h"
#include "common/base/strings.h"

namespace federity::cli {
namespace {

// The coordinator as a scope: for people, and for the API.
constexpr std::string_view kServer = "server";

}  // namespace

absl::StatusOr<std::filesystem::path> HomeDirectory() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value ? value : "");
  };
  if (const auto home = variable("FEDERITY_HOME"); !home.empty()) return home;
  if (const auto config = variable("XDG_CONFIG_HOME"); !config.empty()) return config / "federity";
  if (const auto home = variable("HOME"); !home.empty()) return home / ".config" / "federity";
  return absl::FailedPreconditionError("neither FEDERITY_HOME nor HOME is set; set one");
}

identity::CallOptions PatientCall(CliContext& cli, std::string_view address) {
  auto said = std::make_shared<bool>(false);
  return {
      .give_up_after = cli.patience,
      .on_retry = [&cli, said, where = std::string(address)](const absl::Status& status) {
        if (std::exchange(*said, true)) return;
        cli.output.Note(StrCat(where, " does not answer (",
                               terminal::Printable(ToStd(status.message())), "); trying again"));
      }};
}

absl::StatusOr<Session> OpenMembership(CliContext& cli, const identity::Identity& identity,
                                       std::string_view scope) {
  FEDERITY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, cli.store.Connect(identity.id));
  return Session(cli, identity, std::string(scope), std::move(channel));
}

absl::StatusOr<identity::Identity> MembershipFor(CliContext& cli, std::string_view scope) {
  FEDERITY_ASSIGN_OR_RETURN(const std::string name, ScopeName(scope));
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<identity::Identity> all, cli.store.List());
  return ChooseMembership(all, ReadChoice(cli.home), name, /*or_organization=*/true);
}

absl::StatusOr<Session> OpenScope(CliContext& cli, std::string_view scope) {
  FEDERITY_ASSIGN_OR_RETURN(const std::string name, ScopeName(scope));
  absl::StatusOr<identity::Identity> identity = MembershipFor(cli, scope);
  if (absl::IsNotFound(identity.status()) && scope.find('/') == scope.npos) {
    auto administrator = MembershipFor(cli, kServer);
    if (!absl::IsNotFound(administrator.status())) identity = std::move(administrator);
  }
  FEDERITY_RETURN_IF_ERROR(identity.status());
  return OpenMembership(cli, *identity, name.empty() ? kServer : name);
}

absl::StatusOr<Session> OpenRepository(CliContext& cli, std::string_view repository) {
  FEDERITY_RETURN_IF_ERROR(RepositoryName(repository).status());
  return OpenScope(cli, repository);
}

}  // namespace federity::cli
