// federity-server: the coordinator.

#include <grpc/support/log.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/allocator.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"
#include "common/log/log.h"
#include "server/app/app.h"
#include "server/app/config.h"
#include "server/app/operations.h"

namespace federity::app {
namespace {

constexpr int64_t kMaxConfigBytes = 1 << 20;

// What the command line gave; it goes over the file.
struct Flags {
  std::string config;
  std::string data_directory;
  std::vector<std::string> public_addresses;
  std::string listen;
  std::string database_url;
  std::string organization;  // of link
  std::string to;            // of backup
  std::string from;          // of restore
};

absl::StatusOr<ServerConfig> LoadConfig(const Flags& flags) {
  ServerConfig config;
  if (!flags.config.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(const std::string text, ReadFile(flags.config, kMaxConfigBytes));
    FEDERITY_ASSIGN_OR_RETURN(config, ParseServerConfig(text));
  }
  if (!flags.data_directory.empty()) config.data_directory = flags.data_directory;
  if (!flags.public_addresses.empty()) config.public_addresses = flags.public_addresses;
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

// A line now and then: backups run from timers, and their output is mailed.
maintenance::Progress ShowProgress() {
  return [next = int64_t{0}](int64_t done, int64_t of) mutable {
    if (done < next && done != of) return;
    next = done + std::max<int64_t>(1, of / 10);
    std::fprintf(stderr, "%lld of %lld blobs\n", static_cast<long long>(done),
                 static_cast<long long>(of));
  };
}

int Backup(const Flags& flags) {
  const absl::StatusOr<ServerConfig> config = LoadConfig(flags);
  if (!config.ok()) return Fail(config.status());
  log::Initialise("federity-server", log::Level::kWarning);
  std::filesystem::path to = flags.to;
  if (!to.has_filename()) to = to.parent_path();  // "dir/" is "dir"
  const auto report = BackupCoordinator(*config, to, Clock::System(), ShowProgress());
  if (!report.ok()) return Fail(report.status());
  std::printf("%s: %lld blobs, %.1f MB with the database. The key file %s is not in it; keep it "
              "elsewhere.\n",
              flags.to.c_str(), static_cast<long long>(report->blobs),
              static_cast<double>(report->bytes) / 1e6, config->key_file.c_str());
  for (const std::string& missing : report->missing) {
    std::fprintf(stderr, "federity-server: the blob folder lacks %s\n", missing.c_str());
  }
  return report->missing.empty() ? 0 : 1;
}

int Restore(const Flags& flags) {
  const absl::StatusOr<ServerConfig> config = LoadConfig(flags);
  if (!config.ok()) return Fail(config.status());
  log::Initialise("federity-server", log::Level::kWarning);
  const auto manifest = RestoreCoordinator(*config, flags.from, Clock::System(), ShowProgress());
  if (!manifest.ok()) return Fail(manifest.status());
  std::printf("%s is the coordinator of %s again. Members that were removed and invitations that "
              "were revoked since then are back: look through them.\n",
              config->data_directory.c_str(),
              absl::FormatTime(absl::RFC3339_sec, manifest->created, absl::UTCTimeZone()).c_str());
  return 0;
}

int RotateKeyFile(const Flags& flags) {
  const absl::StatusOr<ServerConfig> config = LoadConfig(flags);
  if (!config.ok()) return Fail(config.status());
  log::Initialise("federity-server", log::Level::kWarning);
  const absl::StatusOr<std::filesystem::path> kept = RotateKey(*config, Clock::System());
  if (!kept.ok()) return Fail(kept.status());
  std::printf("%s is new: back it up. Backups that exist need the old one, %s; delete it when none "
              "does.\n",
              config->key_file.c_str(), kept->c_str());
  return 0;
}

void AddFlags(CLI::App* command, Flags& flags) {
  command->add_option("--config", flags.config, "Configuration file (deploy/config/server.toml)");
  command->add_option("--data-dir", flags.data_directory, "Folder that holds all state");
  command->add_option("--public", flags.public_addresses,
                      "HOST:PORT by which clients reach this coordinator; again for each replica")
      ->allow_extra_args(false);
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
  CLI::App* backup = cli.add_subcommand("backup", "Copy the coordinator, running or not");
  AddFlags(backup, flags);
  backup->add_option("--to", flags.to, "New folder for the copy")->required();
  CLI::App* restore = cli.add_subcommand("restore", "Make a coordinator of a backup");
  AddFlags(restore, flags);
  restore->add_option("--from", flags.from, "Folder that `backup` made")->required();
  CLI::App* key = cli.add_subcommand("key", "The key file")->require_subcommand(1);
  CLI::App* rotate = key->add_subcommand(
      "rotate", "Make a new key file and seal all secrets by it; stop the coordinator first");
  AddFlags(rotate, flags);
  CLI11_PARSE(cli, argc, argv);
  if (run->parsed()) return Run(flags);
  if (link->parsed()) return Link(flags);
  if (backup->parsed()) return Backup(flags);
  if (restore->parsed()) return Restore(flags);
  if (rotate->parsed()) return RotateKeyFile(flags);
  return CheckConfig(flags);
}
