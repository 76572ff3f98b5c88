#include "server/app/services.h"

#include "common/base/version.h"
#include "server/api/dispatcher.h"
#include "server/api/membership_service.h"
#include "server/api/server_service.h"

namespace federity::app {
namespace {

class ServicesImpl final : public Services {
 public:
  ServicesImpl(const ServerConfig& config, const Parts& parts, const std::string& public_address)
      : dispatcher_(parts.database, parts.clock,
                    parts.authority.DeriveKey("federity/dispatcher/v1")),
        membership_(dispatcher_, parts.authority, public_address),
        server_(dispatcher_, parts.authority,
                {.version = std::string(kVersion),
                 .min_client_version = std::string(kVersion),
                 .max_upload_bytes = config.max_upload_bytes}) {}

  void Register(grpc::ServerBuilder& builder) override {
    builder.RegisterService(&membership_);
    builder.RegisterService(&server_);
  }

  void Start() override {}
  void Drain() override {}

 private:
  api::Dispatcher dispatcher_;
  api::MembershipService membership_;
  api::ServerService server_;
};

}  // namespace

std::unique_ptr<Services> Services::Create(const ServerConfig& config, const Parts& parts,
                                           const std::string& public_address) {
  return std::make_unique<ServicesImpl>(config, parts, public_address);
}

}  // namespace federity::app
