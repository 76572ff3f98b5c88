#ifndef FEDERITY_SERVER_APP_SERVICES_H_
#define FEDERITY_SERVER_APP_SERVICES_H_

#include <grpcpp/server_builder.h>

#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/crypto/secret.h"
#include "server/app/config.h"
#include "server/blobs/blob_store.h"
#include "server/membership/certificate_authority.h"
#include "server/store/database.h"

namespace federity::app {

// Every service of the API and the workers behind them, built over the parts
// that they share, which must outlive this. Links name the first of the public
// addresses, clients are told them all. Thread-safe.
class Services {
 public:
  struct Parts {
    store::Database& database;
    blobs::BlobStore& blobs;
    const membership::CertificateAuthority& authority;
    const crypto::Secret& key_file;
    const Clock& clock;
  };
  static std::unique_ptr<Services> Create(const ServerConfig& config, const Parts& parts,
                                          const std::vector<std::string>& public_addresses);
  virtual ~Services() = default;

  // Adds them all to the builder; they must outlive its server.
  virtual void Register(grpc::ServerBuilder& builder) = 0;
  // Starts the workers; once the server takes calls.
  virtual void Start() = 0;
  // Ends the open streams with SHUTTING_DOWN and the workers; calls that run
  // may finish.
  virtual void Drain() = 0;
};

}  // namespace federity::app

#endif  // FEDERITY_SERVER_APP_SERVICES_H_
