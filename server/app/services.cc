#include "server/app/services.h"

#include "common/base/version.h"
#include "server/api/commit_service.h"
#include "server/api/contribution_service.h"
#include "server/api/dispatcher.h"
#include "server/api/membership_service.h"
#include "server/api/plan_service.h"
#include "server/api/repository_service.h"
#include "server/api/round_service.h"
#include "server/api/server_service.h"
#include "server/api/statistics_service.h"
#include "server/api/upload_service.h"
#include "server/rounds/round_worker.h"

namespace federity::app {
namespace {

class ServicesImpl final : public Services {
 public:
  ServicesImpl(const ServerConfig& config, const Parts& parts,
               const std::vector<std::string>& public_addresses)
      : dispatcher_(parts.database, parts.clock,
                    parts.authority.DeriveKey("federity/dispatcher/v1")),
        membership_(dispatcher_, parts.authority, public_addresses.front()),
        server_(dispatcher_, parts.authority,
                {.version = std::string(kVersion),
                 .min_client_version = std::string(kVersion),
                 .max_upload_bytes = config.max_upload_bytes,
                 .addresses = public_addresses}),
        repositories_(dispatcher_, parts.blobs, parts.key_file),
        commits_(dispatcher_, parts.blobs, parts.key_file),
        plans_(dispatcher_),
        uploads_(dispatcher_, parts.blobs, parts.key_file,
                 {.max_upload_bytes = config.max_upload_bytes}),
        rounds_(dispatcher_),
        contributions_(dispatcher_),
        statistics_(dispatcher_, parts.key_file),
        worker_({.database = parts.database,
                 .blobs = parts.blobs,
                 .key_file = parts.key_file,
                 .clock = parts.clock,
                 .sign = [&authority = parts.authority](std::string_view label,
                                                        std::string_view message) {
                   return authority.Sign(label, message);
                 }}) {}

  void Register(grpc::ServerBuilder& builder) override {
    for (grpc::Service* service : std::initializer_list<grpc::Service*>{
             &membership_, &server_, &repositories_, &commits_, &plans_, &uploads_, &rounds_,
             &contributions_, &statistics_}) {
      builder.RegisterService(service);
    }
  }

  void Start() override { worker_.Start(); }

  void Drain() override {
    rounds_.Drain();
    contributions_.Drain();
    worker_.Stop();
  }

 private:
  api::Dispatcher dispatcher_;
  api::MembershipService membership_;
  api::ServerService server_;
  api::RepositoryService repositories_;
  api::CommitService commits_;
  api::PlanService plans_;
  api::UploadService uploads_;
  api::RoundService rounds_;
  api::ContributionService contributions_;
  api::StatisticsService statistics_;
  rounds::RoundWorker worker_;
};

}  // namespace

std::unique_ptr<Services> Services::Create(const ServerConfig& config, const Parts& parts,
                                           const std::vector<std::string>& public_addresses) {
  return std::make_unique<ServicesImpl>(config, parts, public_addresses);
}

}  // namespace federity::app
