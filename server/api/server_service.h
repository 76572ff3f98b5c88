#ifndef FEDERITY_SERVER_API_SERVER_SERVICE_H_
#define FEDERITY_SERVER_API_SERVER_SERVICE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "federity/v1/server.grpc.pb.h"
#include "server/api/dispatcher.h"
#include "server/membership/certificate_authority.h"

namespace federity::api {

// The coordinator about itself, and the audit trail. Dispatcher must outlive
// it. Thread-safe.
class ServerService final : public v1::ServerService::CallbackService {
 public:
  struct Options {
    std::string version;
    std::string min_client_version;
    int64_t max_upload_bytes = 0;
    std::vector<std::string> addresses = {};  // public ones
  };
  ServerService(Dispatcher& dispatcher, const membership::CertificateAuthority& authority,
                Options options)
      : dispatcher_(dispatcher),
        ca_fingerprint_(authority.fingerprint().Hex()),
        options_(std::move(options)),
        start_time_(dispatcher.clock().Now()) {}

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const v1::GetServerInfoRequest* request,
                                          v1::ServerInfo* response) override;
  grpc::ServerUnaryReactor* ListAuditEvents(grpc::CallbackServerContext* context,
                                            const v1::ListAuditEventsRequest* request,
                                            v1::ListAuditEventsResponse* response) override;

 private:
  Dispatcher& dispatcher_;
  const std::string ca_fingerprint_;
  const Options options_;
  const absl::Time start_time_;
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_SERVER_SERVICE_H_
