#ifndef FEDERITY_SERVER_APP_SERVER_CREDENTIALS_H_
#define FEDERITY_SERVER_APP_SERVER_CREDENTIALS_H_

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "server/membership/certificate_authority.h"

namespace federity::app {

// The TLS side of the port: a server certificate of our own CA, renewed without
// a restart; clients may show a certificate, and one that is shown must be of
// this CA. Keys stay in memory. The authority must outlive it.
// Thread-compatible; the credentials are used by gRPC's threads.
class ServerCredentials {
 public:
  static absl::StatusOr<std::unique_ptr<ServerCredentials>> Create(
      const membership::CertificateAuthority& authority, std::vector<std::string> hosts,
      const Clock& clock);

  // `reload`: how soon connections get a renewed certificate; whole seconds.
  std::shared_ptr<grpc::ServerCredentials> grpc_credentials(
      absl::Duration reload = absl::Seconds(30));
  // Issues a new certificate once half of the present one's life is over.
  absl::Status RenewIfDue();

 private:
  ServerCredentials(const membership::CertificateAuthority& authority,
                    std::vector<std::string> hosts, const Clock& clock)
      : authority_(authority), hosts_(std::move(hosts)), clock_(clock) {}

  const membership::CertificateAuthority& authority_;
  const std::vector<std::string> hosts_;
  const Clock& clock_;
  FileDescriptor key_;
  FileDescriptor chain_;
  FileDescriptor ca_;
  absl::Time renew_time_ = absl::InfinitePast();
};

}  // namespace federity::app

#endif  // FEDERITY_SERVER_APP_SERVER_CREDENTIALS_H_
