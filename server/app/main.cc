// federity-server: the coordinator.

#include <grpc/support/log.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "common/base/allocator.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"
#include "common/log/log.h"
#include "server/app/app.h"
#include "server/app/config.h"

namespace federity::app {
namespace {

constexpr int64_t kMaxConfigBytes = 1 << 20;

// What the command line gave; it goes over the file.
struct Flags {
  std::string config;
  std::string data_directory;
  std::string public_address;
  std::string listen;
  std::string database_url;
  std::string organization;  // of link
};

absl::StatusOr<ServerConfig> LoadConfig(const Flags& flags) {
  ServerConfig config;
  if (!flags.config.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(const std::string text, ReadFile(flags.config, kMaxConfigBytes));
    FEDERITY_ASSIGN_OR_RETURN(config, ParseServerConfig(text));
  }
  if (!flags.data_directory.empty()) config.data_directory = flags.data_directory;
  if (!flags.public_address.empty()) config.public_address = flags.public_address;
  if (!flags.listen.empty()) config.listen = flags.listen;
  if (!flags.database_url.empty()) config.database_url = flags.database_url;
  FEDERITY_RETURN_IF_ERROR(CompleteServerConfig(config));
  return config;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "federity-server: %s\n", std::string(status.message()).c_str());
  return 1;
}

// gRPC's own lines, in our log and form.
void LogForGrpc(gpr_log_func_args* arguments) {
  if (arguments->severity != GPR_LOG_SEVERITY_ERROR) return;
  log::Warning("grpc", {{"message", arguments->message}});
}

int Run(const Flags& flags) {
  // Before any thread is started, so that all of them inherit the mask and only
  // sigwait below sees these.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const absl::StatusOr<ServerConfig> config = LoadConfig(flags);
  if (!config.ok()) return Fail(config.status());
  log::Initialise("federity-server", log::ParseLevel(config->log_level));
  gpr_set_log_function(&LogForGrpc);
  const absl::StatusOr<std::unique_ptr<App>> app = App::Start(*config, Clock::System());
  if (!app.ok()) return Fail(app.status());
  if ((*app)->administrator_link().has_value()) {
    std::printf("administrator link (one use): %s\n", (*app)->administrator_link()->c_str());
    std::fflush(stdout);
  }
  int signal_number = 0;
  sigwait(&stop, &signal_number);
  // A second one ends the process at once; an embedded database is then adopted
  // by the next start.
  pthread_sigmask(SIG_UNBLOCK, &stop, nullptr);
  if (absl::Status status = (*app)->Drain(); !status.ok()) return Fail(status);
  log::Info("stopped");
  return 0;
}

int Link(const Flags& flags) {
  const absl::StatusOr<ServerConfig> config = LoadConfig(flags);
  if (!config.ok()) return Fail(config.status());
  log::Initialise("federity-server", log::Level::kWarning);
  const absl::StatusOr<std::string> link = MakeLink(*config, flags.organization, Clock::System());
  if (!link.ok()) return Fail(link.status());
  std::printf("%s\n", link->c_str());
  return 0;
}

int CheckConfig(const Flags& flags) {
  const absl::StatusOr<ServerConfig> config = LoadConfig(flags);
  if (!config.ok()) return Fail(config.status());
  std::printf("%s is good\n", flags.config.empty() ? "the configuration" : flags.config.c_str());
  return 0;
}

void AddFlags(CLI::App* command, Flags& flags) {
  command->add_option("--config", flags.config, "Configuration file (deploy/config/server.toml)");
  command->add_option("--data-dir", flags.data_directory, "Folder that holds all state");
  command->add_option("--public", flags.public_address,
                      "HOST:PORT by which clients reach this coordinator");
  command->add_option("--database-url", flags.database_url,
                      "PostgreSQL by URL instead of an embedded one");
}

}  // namespace
}  // namespace federity::app

int main(int argc, char** argv) {
  using namespace federity::app;
  federity::TuneAllocator();
  Flags flags;
  CLI::App cli("The Federity coordinator");
  cli.set_version_flag("--version",
                       std::string("federity-server ") + std::string(federity::kVersion));
  cli.require_subcommand(1);
  CLI::App* run = cli.add_subcommand("run", "Serve until SIGTERM");
  AddFlags(run, flags);
  run->add_option("--listen", flags.listen, "Address to listen on, default [::]:8443");
  CLI::App* link = cli.add_subcommand("link", "Make another administrator link, or an owner's");
  AddFlags(link, flags);
  link->add_option("--organization", flags.organization,
                   "Make an owner of this organisation instead: where its owners lost their keys");
  CLI::App* check = cli.add_subcommand("check-config", "Check a configuration and exit");
  AddFlags(check, flags);
  CLI11_PARSE(cli, argc, argv);
  if (run->parsed()) return Run(flags);
  if (link->parsed()) return Link(flags);
  return CheckConfig(flags);
}
