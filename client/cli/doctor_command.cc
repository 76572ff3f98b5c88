// doctor.
#include <algorithm>
#include <csignal>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/coordinators.h"
#include "client/cli/doctor.h"
#include "common/base/encoding.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/rpc/address.h"
#include "common/rpc/join_link.h"

namespace federity::cli {
namespace {

using identity::Identity;
using terminal::Json;

std::optional<crypto::Digest> FingerprintOf(const Identity& identity) {
  const auto bytes = HexDecode(identity.ca_fingerprint);
  if (!bytes) return std::nullopt;
  const auto digest = crypto::DigestFromBytes(*bytes);
  return digest.ok() ? std::optional(*digest) : std::nullopt;
}

// All addresses of the membership's coordinator, or one of them.
Target TargetOf(const Identity& identity, const std::string& address) {
  return {.addresses = address.empty() ? identity.addresses : std::vector{address},
          .ca_fingerprint = FingerprintOf(identity),
          .identity = identity};
}

// The coordinator of a link or an address; without either, all that are known.
absl::StatusOr<std::vector<Target>> Targets(CliContext& cli, const std::string& argument) {
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<Identity> all, cli.store.List());
  std::vector<Target> targets;
  if (argument.starts_with("federity:") || argument == "-") {
    FEDERITY_ASSIGN_OR_RETURN(const std::string text,
                              terminal::ArgumentOrInput(cli.output, argument));
    FEDERITY_ASSIGN_OR_RETURN(const rpc::JoinLink link, rpc::ParseJoinLink(text));
    targets.push_back({.addresses = {link.address}, .ca_fingerprint = link.ca_fingerprint});
    return targets;
  }
  std::vector<std::string> seen;
  for (const Identity& one : all) {
    const auto& addresses = one.addresses;
    if (!argument.empty() && one.address != argument &&
        std::find(addresses.begin(), addresses.end(), argument) == addresses.end()) {
      continue;
    }
    if (std::find(seen.begin(), seen.end(), one.ca_fingerprint) != seen.end()) continue;
    seen.push_back(one.ca_fingerprint);
    targets.push_back(TargetOf(one, argument));
  }
  if (targets.empty() && !argument.empty()) {
    FEDERITY_RETURN_IF_ERROR(rpc::ParseAddress(argument).status());
    targets.push_back({.addresses = {argument}});
  }
  return targets;
}

const char* StateText(Check::State state) {
  switch (state) {
    case Check::State::kOk:
      return "ok";
    case Check::State::kNote:
      return "note";
    case Check::State::kFailed:
      return "FAILED";
  }
  return "";
}

absl::StatusOr<int> Doctor(CliContext& cli, const std::string& argument) {
  // Plain OpenSSL writes to sockets that may close under it.
  std::signal(SIGPIPE, SIG_IGN);
  cli.patience = absl::ZeroDuration();
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<Target> targets, Targets(cli, argument));
  Checks checks;
  for (const Target& target : targets) CheckCoordinator(cli, target, checks);
  CheckMachine(cli, checks);
  terminal::Table table({{"WHERE"}, {"CHECK"}, {"RESULT"}, {"DETAIL"}});
  Json list = Json::array();
  bool good = true;
  for (const Check& check : checks) {
    good = good && check.state != Check::State::kFailed;
    table.Add({check.subject, check.name, StateText(check.state), check.detail});
    list.push_back(
        {{"where", check.subject},
         {"check", check.name},
         {"result", check.state == Check::State::kFailed ? "failed" : StateText(check.state)},
         {"detail", check.detail}});
  }
  cli.output.Show(table, "Nothing to check.");
  if (targets.empty()) {
    cli.output.Note("No coordinator is known here; name one: federity doctor HOST:PORT");
  }
  cli.output.Document({{"ok", good}, {"checks", std::move(list)}});
  return good ? 0 : 1;
}

}  // namespace

void AddDoctorCommand(Commands& commands) {
  auto* doctor = commands.app.add_subcommand("doctor", "What works on the way to a coordinator");
  doctor->group(kGroupStart);
  const auto argument = std::make_shared<std::string>();
  doctor->add_option("COORDINATOR", *argument,
                     "HOST:PORT or a link; without it, all that you are a member at");
  commands.On(doctor, [argument](CliContext& cli) { return Doctor(cli, *argument); });
}

}  // namespace federity::cli
