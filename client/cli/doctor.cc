#include "client/cli/doctor.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "client/cli/interrupt.h"
#include "client/cli/session.h"
#include "client/terminal/format.h"
#include "client/terminal/text.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/base/version.h"
#include "common/crypto/certificates.h"
#include "common/rpc/address.h"
#include "common/rpc/probe.h"
#include "federity/v1/membership.grpc.pb.h"
#include "federity/v1/server.grpc.pb.h"

namespace federity::cli {
namespace {

using State = Check::State;

constexpr absl::Duration kTimeout = absl::Seconds(10);
constexpr absl::Duration kClockNote = absl::Seconds(10);
constexpr absl::Duration kClockLimit = absl::Minutes(2);
constexpr int64_t kLeastSpace = 200'000'000;

// Of the next step, by the machine's own clock.
absl::Time Deadline() { return absl::Now() + kTimeout; }

std::string Text(const absl::Status& status) { return std::string(status.message()); }

// Checks of one subject.
class Recorder {
 public:
  Recorder(std::string subject, Checks& checks) : subject_(std::move(subject)), checks_(checks) {}
  void Add(Check check) {
    check.subject = subject_;
    check.detail = terminal::Printable(check.detail);
    checks_.push_back(std::move(check));
  }
  void Add(std::string name, State state, std::string detail) {
    Add(Check{.name = std::move(name), .state = state, .detail = std::move(detail)});
  }
  // Records a failure; true if there was one.
  bool Failed(std::string name, const absl::Status& status) {
    if (!status.ok()) Add(std::move(name), State::kFailed, Text(status));
    return !status.ok();
  }

 private:
  std::string subject_;
  Checks& checks_;
};

void CheckDates(const std::string& name, const crypto::CertificateInfo& info, absl::Time now,
                Recorder& record) {
  const std::string span =
      StrCat(terminal::FormatTime(info.not_before), " to ", terminal::FormatTime(info.not_after));
  if (now < info.not_before) {
    record.Add(name, State::kFailed, StrCat("not valid yet (", span, "); is the clock right?"));
  } else if (now >= info.not_after) {
    record.Add(name, State::kFailed, StrCat("expired (", span, ")"));
  } else {
    record.Add(name, State::kOk, span);
  }
}

void CheckAuthority(const Target& target, const crypto::CertificateInfo& ca,
                    const rpc::Address& address, Recorder& record) {
  const std::string shown = ca.fingerprint.Hex();
  if (!target.ca_fingerprint) {
    record.Add("authority", State::kNote,
               StrCat("CA ", shown, "; compare it with what the administrator says"));
  } else if (*target.ca_fingerprint == ca.fingerprint) {
    record.Add("authority", State::kOk, StrCat("CA ", shown.substr(0, 16), "…, as expected"));
  } else {
    record.Add("authority", State::kFailed,
               StrCat("CA ", shown, ", but ", target.ca_fingerprint->Hex(),
                      " is expected: a proxy intercepts TLS (ask your IT to let ", address.host,
                      " through untouched), or this is another coordinator"));
  }
}

// False if there is no use in going on.
bool CheckTls(const Target& target, const rpc::Address& address, const FileDescriptor& socket,
              absl::Time now, Recorder& record) {
  // First without trust, to learn the chain; its names are judged against its
  // own end, which the authority check judges.
  const auto peer = rpc::ShakeHands(socket, address, "", Deadline());
  if (record.Failed("TLS", peer.status())) return false;
  record.Add("TLS", State::kOk, peer->version);
  if (peer->chain_pem.empty()) {
    record.Add("authority", State::kFailed, "the server shows no certificate");
    return false;
  }
  const auto ca = crypto::ParseCertificate(peer->chain_pem.back());
  const auto leaf = crypto::ParseCertificate(peer->chain_pem.front());
  if (record.Failed("authority", ca.status()) || record.Failed("names", leaf.status())) {
    return false;
  }
  CheckAuthority(target, *ca, address, record);
  std::vector<std::string> names = leaf->dns_names;
  names.insert(names.end(), leaf->ip_addresses.begin(), leaf->ip_addresses.end());
  const auto again = rpc::ConnectTcp(address, Deadline());
  const auto verified = again.ok()
                            ? rpc::ShakeHands(*again, address, peer->chain_pem.back(), Deadline())
                            : absl::StatusOr<rpc::TlsPeer>(again.status());
  if (!record.Failed("names", verified.status())) {
    const std::string list = absl::StrJoin(names, ", ");
    record.Add("names", verified->fault.empty() ? State::kOk : State::kFailed,
               verified->fault.empty()
                   ? list
                   : StrCat(verified->fault, "; the certificate is for ", list));
  }
  CheckDates("certificate", *leaf, now, record);
  return !target.ca_fingerprint || *target.ca_fingerprint == ca->fingerprint;
}

// False if there is no use in going on.
bool CheckWay(const Target& target, const std::string& text, absl::Time now, Recorder& record) {
  const auto address = rpc::ParseAddress(text);
  if (record.Failed("address", address.status())) return false;
  const auto found = rpc::ResolveHost(*address);
  if (record.Failed("name", found.status())) return false;
  record.Add("name", State::kOk, absl::StrJoin(*found, ", "));
  const auto socket = rpc::ConnectTcp(*address, Deadline());
  if (record.Failed("port", socket.status())) return false;
  record.Add("port", State::kOk, StrCat("TCP ", address->port, " answers"));
  return CheckTls(target, *address, *socket, now, record);
}

// What only a member may ask.
void CheckMembership(CliContext& cli, const identity::Identity& identity, Recorder& record) {
  const auto session = OpenMembership(cli, identity, identity.scope);
  if (record.Failed("sign-in", session.status())) return;
  const auto caller = session->Call(&v1::MembershipService::Stub::GetCaller, {});
  if (record.Failed("sign-in", caller.status())) return;
  record.Add("sign-in", State::kOk,
             StrCat("as ", caller->organization_display_name(), ", certificate until ",
                    terminal::FormatTime(identity.expire_time)));
  const auto info = session->Call(&v1::ServerService::Stub::GetServerInfo, {});
  if (record.Failed("server", info.status())) return;
  record.Add(CheckClock(cli.clock.Now(), terminal::ToTime(info->time())));
  record.Add(CheckVersion(kVersion, *info));
}

void CheckSpace(const std::string& name, const std::filesystem::path& folder, Recorder& record) {
  struct statvfs disk {};
  if (::statvfs(folder.c_str(), &disk) != 0) {
    record.Failed(name, ErrnoStatus(errno, folder.string()));
    return;
  }
  const auto free = static_cast<int64_t>(disk.f_bavail * disk.f_frsize);
  record.Add(name, free < kLeastSpace ? State::kFailed : State::kOk,
             StrCat(terminal::FormatBytes(free), " free in ", folder.string()));
}

// The smallest job: two rows of one feature.
absl::Status TryTrainer(CliContext& cli, worker::v1::Started& started) {
  FEDERITY_ASSIGN_OR_RETURN(const WorkDirectory work, WorkDirectory::Make());
  const auto file = work.path() / "rows.csv";
  FEDERITY_RETURN_IF_ERROR(WriteFileAtomically(file, "x,y\n0,a\n1,b\n"));
  worker::v1::Request request;
  worker::v1::CheckData& job = *request.mutable_check_data();
  job.set_plan_toml(
      "[data]\nkind = \"table\"\nfeatures = [\"x\"]\nlabel = \"y\"\nclasses = [\"a\", \"b\"]\n");
  job.mutable_dataset()->set_format("csv");
  job.mutable_dataset()->set_path(file.string());
  job.set_max_problems(1);
  trainer::JobOptions options;
  options.time_limit = absl::Minutes(1);
  options.on_started = [&](const worker::v1::Started& message) { started = message; };
  return cli.run_job(request, options).status();
}

void CheckTrainer(CliContext& cli, Recorder& record) {
  worker::v1::Started started;
  if (record.Failed("trainer", TryTrainer(cli, started))) return;
  record.Add("trainer", State::kOk,
             StrCat("LibTorch ", started.libtorch_version(), ", ", started.device()));
  for (const std::string& layer : started.layers()) {
    const bool active = layer.find("not active") == std::string::npos;
    record.Add("sandbox", active ? State::kOk : State::kNote, layer);
  }
}

// "1.2.3" as numbers; what is not a number counts as 0.
std::tuple<int, int, int> VersionNumbers(std::string_view version) {
  int parts[3] = {};
  int i = 0;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(ToAbsl(version), '.'))) {
    if (i < 3 && !absl::SimpleAtoi(part, &parts[i])) parts[i] = 0;
    ++i;
  }
  return {parts[0], parts[1], parts[2]};
}

}  // namespace

Check CheckClock(absl::Time ours, absl::Time theirs) {
  const absl::Duration skew = ours - theirs;
  const absl::Duration size = absl::AbsDuration(skew);
  const std::string text = StrCat("this machine's is ", terminal::FormatElapsed(size),
                                  skew > absl::ZeroDuration() ? " ahead" : " behind");
  if (size > kClockLimit) {
    return {.name = "clock", .state = State::kFailed, .detail = text + "; set it (NTP)"};
  }
  return {.name = "clock",
          .state = size > kClockNote ? State::kNote : State::kOk,
          .detail = size > kClockNote ? text : "agrees with the coordinator's"};
}

Check CheckVersion(std::string_view ours, const v1::ServerInfo& info) {
  const std::string text =
      StrCat("this is ", ours, ", the coordinator ", info.version(),
             info.min_client_version().empty()
                 ? ""
                 : StrCat(", which serves ", info.min_client_version(), " and later"));
  const bool served = VersionNumbers(ours) >= VersionNumbers(info.min_client_version());
  return {.name = "version",
          .state = served ? State::kOk : State::kFailed,
          .detail = served ? text : text + "; install a newer one"};
}

void CheckCoordinator(CliContext& cli, const Target& target, Checks& checks) {
  std::string good;  // the first address that is
  for (const std::string& address : target.addresses) {
    Recorder record(address, checks);
    if (CheckWay(target, address, cli.clock.Now(), record) && good.empty()) good = address;
  }
  if (!target.identity || good.empty()) return;
  Recorder record(good, checks);
  CheckMembership(cli, *target.identity, record);
}

void CheckMachine(CliContext& cli, Checks& checks) {
  Recorder record("this machine", checks);
  std::error_code error;
  CheckSpace("disk", cli.home, record);
  CheckSpace("disk", std::filesystem::temp_directory_path(error), record);
  CheckTrainer(cli, record);
}

}  // namespace federity::cli
