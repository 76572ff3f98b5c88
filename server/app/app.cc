#include "server/app/app.h"

#include <unistd.h>

#include <set>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/crypto/digest.h"
#include "common/log/log.h"
#include "server/app/administrator_link.h"
#include "server/app/command_database.h"
#include "server/app/key_file.h"
#include "server/app/operations.h"
#include "server/app/periodic_task.h"
#include "server/app/rpc_server.h"
#include "server/app/server_credentials.h"
#include "server/app/services.h"
#include "server/blobs/blob_store.h"
#include "server/embedded_postgres/embedded_postgres.h"
#include "server/membership/certificate_authority.h"
#include "server/repositories/garbage.h"
#include "server/store/database.h"

namespace federity::app {
namespace {

namespace fs = std::filesystem;
using embedded_postgres::EmbeddedPostgres;

constexpr absl::Duration kDatabaseCheck = absl::Seconds(5);
constexpr absl::Duration kLinkCheck = absl::Seconds(2);
constexpr absl::Duration kCertificateCheck = absl::Hours(1);
constexpr absl::Duration kGarbageInterval = absl::Minutes(10);

// How clients are told to find us, and the other replicas. Never empty.
std::vector<std::string> PublicAddresses(const ServerConfig& config, int bound_port) {
  if (config.public_addresses.empty()) {
    log::Warning(
        "no public address is set (--public HOST:PORT): links say localhost and work on "
        "this machine only");
    return {absl::StrCat("localhost:", bound_port)};
  }
  std::vector<std::string> addresses;
  for (const std::string& text : config.public_addresses) {
    HostPort address = *ParseHostPort(text, 0);  // checked when completed
    if (address.port == 0) address.port = bound_port;
    addresses.push_back(address.ToString());
  }
  return addresses;
}

// What the server certificate is for: every public name, because clients expect
// one of them at all replicas, the address we listen on, and this machine.
std::vector<std::string> CertificateHosts(const std::vector<std::string>& public_addresses,
                                          const HostPort& listen) {
  std::set<std::string> hosts = {"localhost", "127.0.0.1", "::1"};
  for (const std::string& address : public_addresses) hosts.insert(ParseHostPort(address)->host);
  if (listen.host != "::" && listen.host != "0.0.0.0") hosts.insert(listen.host);
  return {hosts.begin(), hosts.end()};
}

// A replica on which the folder is not mounted must not serve: it would take every
// model for lost. One lost file is no such case.
absl::Status CheckBlobFolder(store::Database& database, const blobs::BlobStore& blobs,
                             const fs::path& folder) {
  bool lacks_all = false;
  FEDERITY_RETURN_IF_ERROR(
      database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(
            const store::Rows rows,
            transaction.Execute("SELECT c.repository, c.weights_digest FROM commits c "
                                "JOIN repositories r ON r.id = c.repository "
                                "WHERE r.deleted_at IS NULL ORDER BY c.created_at DESC LIMIT 10"));
        lacks_all = !rows.empty();
        for (const store::Row& row : rows) {
          FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest weights,
                                    crypto::ParseDigest(row.Text(1)));
          if (blobs.Exists(row.Text(0), weights)) lacks_all = false;
        }
        return absl::OkStatus();
      }));
  if (!lacks_all) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the blob folder ", folder.string(),
                   " has none of the newest models that the database names; is it the one that "
                   "all replicas share (blobs.directory), and is it mounted?"));
}

class AppImpl final : public App {
 public:
  AppImpl(ServerConfig config, const Clock& clock) : config_(std::move(config)), clock_(clock) {}

  ~AppImpl() override {
    if (absl::Status status = Drain(); !status.ok()) {
      log::Error("draining failed", {{"error", status.ToString()}});
    }
  }

  absl::Status Begin() {
    FEDERITY_RETURN_IF_ERROR(OpenDirectory());
    FEDERITY_RETURN_IF_ERROR(OpenDatabase());
    FEDERITY_RETURN_IF_ERROR(OpenKeys());
    FEDERITY_ASSIGN_OR_RETURN(blobs_, blobs::BlobStore::Open(config_.blob_directory));
    FEDERITY_RETURN_IF_ERROR(CheckBlobFolder(*database_, *blobs_, config_.blob_directory));
    FEDERITY_RETURN_IF_ERROR(OpenPort());
    FEDERITY_ASSIGN_OR_RETURN(
        administrator_link_,
        FirstAdministratorLink(*database_, LinkFile(), public_address(), clock_.Now()));
    services_->Start();
    StartTasks();
    rpc_server_->SetServing(true);
    FEDERITY_RETURN_IF_ERROR(
        WriteFileAtomically(config_.data_directory / "address", public_address() + "\n", 0644));
    FEDERITY_RETURN_IF_ERROR(WriteFileAtomically(PortFile(), absl::StrCat(port_, "\n"), 0644));
    log::Info("serving", {{"listen", HostPort{listen_host_, port_}.ToString()},
                          {"public", absl::StrJoin(public_addresses_, " ")},
                          {"ca", authority_->fingerprint().Hex()}});
    return absl::OkStatus();
  }

  const std::string& public_address() const override { return public_addresses_.front(); }
  int port() const override { return port_; }
  const std::optional<std::string>& administrator_link() const override {
    return administrator_link_;
  }

  absl::Status Drain() override {
    if (drained_) return absl::OkStatus();
    drained_ = true;
    if (lock_.valid()) unlink(PortFile().c_str());  // else it is another's
    if (rpc_server_ != nullptr) {
      log::Info("draining");
      rpc_server_->SetServing(false);
      services_->Drain();
      rpc_server_->Shutdown(absl::Now() + config_.drain);
    }
    tasks_.clear();
    rpc_server_.reset();
    services_.reset();
    database_.reset();
    return postgres_ == nullptr ? absl::OkStatus() : postgres_->Stop();
  }

 private:
  fs::path PortFile() const { return config_.data_directory / "port"; }
  fs::path LinkFile() const { return config_.data_directory / "administrator-link"; }

  absl::Status OpenDirectory() {
    FEDERITY_RETURN_IF_ERROR(MakeDirectories(config_.data_directory, 0700));
    FEDERITY_ASSIGN_OR_RETURN(lock_, LockFile(config_.data_directory / "lock"));
    FEDERITY_RETURN_IF_ERROR(CheckRestored(config_.data_directory));
    unlink(PortFile().c_str());  // of a run that was killed
    return absl::OkStatus();
  }

  absl::Status OpenDatabase() {
    std::string url = config_.database_url;
    if (url.empty()) {
      FEDERITY_ASSIGN_OR_RETURN(postgres_,
                                EmbeddedPostgres::Start({.directory = config_.data_directory}));
      url = postgres_->url();
    }
    FEDERITY_ASSIGN_OR_RETURN(
        database_,
        store::Database::Connect({.url = url, .max_connections = config_.max_connections}));
    return store::Migrate(*database_);
  }

  absl::Status OpenKeys() {
    FEDERITY_ASSIGN_OR_RETURN(const bool has_secrets, HasSecrets(*database_));
    if (has_secrets) {
      FEDERITY_RETURN_IF_ERROR(FinishKeyRotation(config_.key_file, *database_, clock_).status());
    }
    FEDERITY_ASSIGN_OR_RETURN(key_file_, LoadKeyFile(config_.key_file, !has_secrets));
    auto authority = membership::CertificateAuthority::LoadOrCreate(*database_, key_file_, clock_);
    if (!authority.ok()) return Annotate(authority.status(), config_.key_file.string());
    authority_ = *std::move(authority);
    return absl::OkStatus();
  }

  absl::Status OpenPort() {
    FEDERITY_ASSIGN_OR_RETURN(const HostPort listen, ParseHostPort(config_.listen));
    FEDERITY_ASSIGN_OR_RETURN(const ReservedPort reserved, ReservePort(listen));
    listen_host_ = reserved.address.host;
    port_ = reserved.address.port;
    public_addresses_ = PublicAddresses(config_, port_);
    FEDERITY_ASSIGN_OR_RETURN(
        credentials_,
        ServerCredentials::Create(*authority_, CertificateHosts(public_addresses_, listen), clock_));
    services_ = Services::Create(config_,
                                 {.database = *database_,
                                  .blobs = *blobs_,
                                  .authority = *authority_,
                                  .key_file = key_file_,
                                  .clock = clock_},
                                 public_addresses_);
    FEDERITY_ASSIGN_OR_RETURN(
        rpc_server_,
        RpcServer::Start(config_, reserved, credentials_->grpc_credentials(),
                         [&](grpc::ServerBuilder& builder) { services_->Register(builder); }));
    return absl::OkStatus();
  }

  void Every(const char* name, absl::Duration interval, std::function<absl::Status()> run) {
    tasks_.push_back(std::make_unique<PeriodicTask>(name, interval, std::move(run)));
  }

  void StartTasks() {
    if (postgres_ != nullptr) {
      Every("database check", kDatabaseCheck, [this] { return postgres_->EnsureRunning(); });
    }
    Every("administrator link", kLinkCheck,
          [this] { return RemoveUsedLink(*database_, LinkFile(), clock_.Now()); });
    Every("server certificate", kCertificateCheck, [this] { return credentials_->RenewIfDue(); });
    Every("garbage", kGarbageInterval, [this]() -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(const repositories::GarbageReport report,
                                repositories::CollectGarbage(*database_, *blobs_, clock_.Now()));
      if (report.uploads + report.blobs + report.partials > 0) {
        log::Info("collected garbage", {{"uploads", absl::StrCat(report.uploads)},
                                        {"blobs", absl::StrCat(report.blobs)},
                                        {"partials", absl::StrCat(report.partials)}});
      }
      return absl::OkStatus();
    });
  }

  // In order of construction; Drain takes them down the other way.
  const ServerConfig config_;
  const Clock& clock_;
  FileDescriptor lock_;
  std::unique_ptr<EmbeddedPostgres> postgres_;
  std::unique_ptr<store::Database> database_;
  crypto::Secret key_file_;
  std::unique_ptr<membership::CertificateAuthority> authority_;
  std::unique_ptr<blobs::BlobStore> blobs_;
  std::unique_ptr<ServerCredentials> credentials_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<RpcServer> rpc_server_;
  std::vector<std::unique_ptr<PeriodicTask>> tasks_;
  std::string listen_host_;
  std::vector<std::string> public_addresses_;
  int port_ = 0;
  std::optional<std::string> administrator_link_;
  bool drained_ = false;
};

// The address for a link: what is configured, else what the last run used.
absl::StatusOr<std::string> LinkAddress(const ServerConfig& config) {
  if (!config.public_addresses.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(HostPort address,
                              ParseHostPort(config.public_addresses.front(), 0));
    if (address.port != 0) return address.ToString();
  }
  absl::StatusOr<std::string> last = ReadFile(config.data_directory / "address", 4096);
  if (last.ok()) return std::string(absl::StripAsciiWhitespace(*last));
  return absl::FailedPreconditionError(absl::StrCat(
      "no coordinator has run on ", config.data_directory.string(),
      "; give the data directory that `federity-server run` uses, or --public HOST:PORT"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<App>> App::Start(ServerConfig config, const Clock& clock) {
  auto app = std::make_unique<AppImpl>(std::move(config), clock);
  FEDERITY_RETURN_IF_ERROR(app->Begin());
  return std::unique_ptr<App>(std::move(app));
}

absl::StatusOr<std::string> MakeLink(const ServerConfig& config, const std::string& organization,
                                     const Clock& clock) {
  FEDERITY_ASSIGN_OR_RETURN(const std::string address, LinkAddress(config));
  FEDERITY_ASSIGN_OR_RETURN(const CommandDatabase opened,
                            OpenCommandDatabase(config, Coordinator::kMayRun));
  if (organization.empty()) return MakeAdministratorLink(*opened.database, address, clock.Now());
  FEDERITY_RETURN_IF_ERROR(OpenKeyFile(config, *opened.database, clock).status());
  return MakeOwnerLink(*opened.database, organization, address, clock.Now());
}

}  // namespace federity::app
