// federity: the command line of owners, maintainers, contributors, auditors and
// administrators.
#include <memory>
#include <string>
#include <vector>

#include "client/cli/app.h"
#include "client/cli/cli_context.h"
#include "client/identity/identity_store.h"
#include "client/terminal/output.h"
#include "common/base/allocator.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"

namespace federity::cli {
namespace {

absl::StatusOr<int> RunAtHome(const ChosenCommand& command, const terminal::Output& output) {
  FEDERITY_ASSIGN_OR_RETURN(const std::filesystem::path home, HomeDirectory());
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(home));
  FEDERITY_ASSIGN_OR_RETURN(const std::unique_ptr<identity::IdentityStore> store,
                            identity::IdentityStore::Open(home));
  CliContext cli{.home = home, .store = *store, .output = output};
  return command(cli);
}

}  // namespace
}  // namespace federity::cli

int main(int argc, char** argv) {
  federity::TuneAllocator();
  auto output = federity::terminal::Output::Standard();
  return federity::cli::RunCommandLine(
      std::vector<std::string>(argv + 1, argv + argc), output,
      [&](const auto& command) { return federity::cli::RunAtHome(command, output); });
}
