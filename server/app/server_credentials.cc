#include "server/app/server_credentials.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"

namespace federity::app {
namespace {

absl::StatusOr<FileDescriptor> MemoryFile(const char* name) {
  FileDescriptor file(memfd_create(name, MFD_CLOEXEC));
  if (!file.valid()) return ErrnoStatus(errno, "memfd_create");
  return file;
}

absl::Status Replace(const FileDescriptor& file, std::string_view content) {
  if (ftruncate(file.get(), 0) != 0) return ErrnoStatus(errno, "truncate a memory file");
  return WriteFully(file.get(), content, 0);
}

// gRPC's only provider that can change a certificate watches files; these are
// files in memory, so that the key never reaches a disk.
std::string PathOf(const FileDescriptor& file) {
  return absl::StrCat("/proc/self/fd/", file.get());
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerCredentials>> ServerCredentials::Create(
    const membership::CertificateAuthority& authority, std::vector<std::string> hosts,
    const Clock& clock) {
  std::unique_ptr<ServerCredentials> result(
      new ServerCredentials(authority, std::move(hosts), clock));
  FEDERITY_ASSIGN_OR_RETURN(result->key_, MemoryFile("tls-key"));
  FEDERITY_ASSIGN_OR_RETURN(result->chain_, MemoryFile("tls-chain"));
  FEDERITY_ASSIGN_OR_RETURN(result->ca_, MemoryFile("tls-ca"));
  FEDERITY_RETURN_IF_ERROR(Replace(result->ca_, authority.certificate_pem()));
  FEDERITY_RETURN_IF_ERROR(result->RenewIfDue());
  return result;
}

absl::Status ServerCredentials::RenewIfDue() {
  if (clock_.Now() < renew_time_) return absl::OkStatus();
  FEDERITY_ASSIGN_OR_RETURN(const auto certificate, authority_.IssueServer(hosts_, clock_.Now()));
  // The watcher reads both anew when either changed, and retries where they
  // changed while it read.
  FEDERITY_RETURN_IF_ERROR(Replace(key_, certificate.private_key_pem.view()));
  FEDERITY_RETURN_IF_ERROR(Replace(chain_, certificate.chain_pem));
  renew_time_ = certificate.renew_time;
  log::Info("issued the server's certificate", {{"renew", absl::FormatTime(renew_time_)}});
  return absl::OkStatus();
}

std::shared_ptr<grpc::ServerCredentials> ServerCredentials::grpc_credentials(
    absl::Duration reload) {
  namespace tls = grpc::experimental;
  const auto provider = std::make_shared<tls::FileWatcherCertificateProvider>(
      PathOf(key_), PathOf(chain_), PathOf(ca_),
      static_cast<unsigned int>(absl::ToInt64Seconds(reload)));
  tls::TlsServerCredentialsOptions options(provider);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  // Asks, does not insist, and verifies what is shown.
  options.set_cert_request_type(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  return tls::TlsServerCredentials(options);
}

}  // namespace federity::app
