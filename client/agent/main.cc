#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "client/agent/command_line.h"
#include "client/agent/commands.h"
#include "client/agent/control_socket.h"
#include "client/agent/render.h"
#include "client/agent/session.h"
#include "client/terminal/output.h"
#include "client/terminal/text.h"
#include "client/trainer/supervisor.h"
#include "common/base/allocator.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/base/version.h"
#include "common/log/log.h"

namespace federity::agent {
namespace {

using nlohmann::json;

absl::StatusOr<Config> ConfigOf(const Invocation& invocation) {
  Config config;
  if (!invocation.config.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(config, LoadConfig(invocation.config));
  }
  if (!invocation.state_dir.empty()) config.state_dir = invocation.state_dir;
  if (config.state_dir.empty()) config.state_dir = DefaultStateDirectory();
  std::error_code error;
  config.state_dir = std::filesystem::absolute(config.state_dir, error);
  if (error) return ErrnoStatus(error.value(), config.state_dir.string());
  return config;
}

// The daemon's answer, or this process's own while no daemon runs.
absl::StatusOr<json> Dispatch(const Config& config, const std::string& command,
                              const json& arguments) {
  const state::Paths paths{config.state_dir};
  const absl::Time give_up = absl::Now() + absl::Seconds(3);
  while (true) {
    if (auto answer = CallDaemon(paths, command, arguments)) return *std::move(answer);
    absl::StatusOr<std::unique_ptr<Session>> session =
        Session::Open({.config = config,
                       .run_job = trainer::RunJob,
                       .exclusive = !IsReadOnly(command, arguments),
                       .create = command == "join"});
    if (session.ok()) {
      CommandContext commands{.context = (*session)->context()};
      return Execute(commands, command, arguments);
    }
    // Locked by a daemon that does not listen yet, or by a command like this.
    if (!absl::IsFailedPrecondition(session.status()) || absl::Now() > give_up)
      return session.status();
    absl::SleepFor(absl::Milliseconds(100));
  }
}

// Shows what there is and asks. Nothing is approved blind: off a terminal the
// digest has to be given.
absl::Status AskAndApprove(const Config& config, json arguments) {
  arguments["show"] = true;
  FEDERITY_ASSIGN_OR_RETURN(const json offer, Dispatch(config, "approve", arguments));
  std::cout << Render("approve", offer) << std::flush;
  const std::string digest = offer.value("approval_digest", "");
  if (isatty(STDIN_FILENO) == 0)
    return absl::FailedPreconditionError(StrCat(
        "nothing was approved: this is no terminal to ask on; read the above and give --digest ",
        digest));
  std::cout << "\nLet this plan and program run on this machine? [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer != "y" && answer != "Y" && answer != "yes")
    return absl::CancelledError("nothing was approved");
  arguments.erase("show");
  arguments["digest"] = digest;
  return Dispatch(config, "approve", arguments).status();
}

bool HasProblems(const json& result) {
  for (const json& check : result.value("checks", json::array()))
    if (!check.value("problems", json::array()).empty()) return true;
  return false;
}

absl::StatusOr<int> RunCommand(Invocation invocation, const Config& config) {
  json& arguments = invocation.arguments;
  if (invocation.command == "join") {
    terminal::Output output = terminal::Output::Standard();
    FEDERITY_ASSIGN_OR_RETURN(const std::string link,
                              terminal::ArgumentOrInput(output, arguments.value("link", "")));
    arguments["link"] = link;
  }
  const bool ask = invocation.command == "approve" && !arguments.contains("digest") &&
                   !arguments.contains("show") && !invocation.json;
  if (invocation.command == "approve" && invocation.json && !arguments.contains("digest"))
    arguments["show"] = true;
  if (ask) {
    FEDERITY_RETURN_IF_ERROR(AskAndApprove(config, arguments));
    std::cout << "approved\n";
    return 0;
  }
  FEDERITY_ASSIGN_OR_RETURN(const json result, Dispatch(config, invocation.command, arguments));
  if (invocation.json) {
    std::cout << state::FormatJson(result) << "\n";
  } else if (invocation.command == "approve" && !arguments.contains("show")) {
    std::cout << "approved " << result.value("approval_digest", "") << "\n";
  } else {
    std::cout << Render(invocation.command, result);
  }
  return HasProblems(result) ? 1 : 0;
}

// A coordinator that does not answer must not hold up the machine's shutdown.
// The outbox is on disk and the trainer dies with this process.
void ExitAfter(absl::Duration grace) {
  std::thread([grace] {
    absl::SleepFor(grace);
    log::Info("stopped without waiting for the coordinator");
    _exit(0);
  }).detach();
}

absl::StatusOr<int> RunDaemon(const Config& config) {
  // Before any thread, so that only sigwait sees them.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  FEDERITY_ASSIGN_OR_RETURN(
      const std::unique_ptr<Session> session,
      Session::Open({.config = config, .run_job = trainer::RunJob, .create = true}));
  Context& context = session->context();
  Agent agent(context);
  CommandContext commands{.context = context, .live = &agent};
  FEDERITY_ASSIGN_OR_RETURN(
      std::unique_ptr<ControlServer> control,
      ControlServer::Start(context.paths, [&](std::string_view command, const json& arguments) {
        return Execute(commands, command, arguments);
      }));
  log::Info("running",
            {{"version", std::string(kVersion)}, {"state_dir", context.paths.directory.string()}});
  int signal = SIGHUP;
  while (signal == SIGHUP) sigwait(&signals, &signal);
  log::Info("stopping", {{"signal", std::to_string(signal)}});
  ExitAfter(absl::Seconds(5));
  commands.stopping = true;
  control.reset();
  return 0;
}

absl::StatusOr<int> Run(Invocation invocation) {
  FEDERITY_ASSIGN_OR_RETURN(const Config config, ConfigOf(invocation));
  const bool daemon = invocation.command == "run";
  log::Initialise("federity-agent",
                  daemon ? log::ParseLevel(config.log_level) : log::Level::kError);
  FEDERITY_RETURN_IF_ERROR(BecomeOwnerOf(config.state_dir));
  return daemon ? RunDaemon(config) : RunCommand(std::move(invocation), config);
}

}  // namespace
}  // namespace federity::agent

int main(int argc, char** argv) {
  federity::TuneAllocator();
  auto parsed = federity::agent::ParseCommandLine(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const absl::StatusOr<int> status =
      federity::agent::Run(std::get<federity::agent::Invocation>(std::move(parsed)));
  if (status.ok()) return *status;
  std::cerr << "federity-agent: "
            << federity::terminal::ShortNames(federity::agent::PrintableLines(
                   federity::ToStd(status.status().message())))
            << "\n";
  return 1;
}
