#ifndef FEDERITY_SERVER_API_STATISTICS_SERVICE_H_
#define FEDERITY_SERVER_API_STATISTICS_SERVICE_H_

#include "common/crypto/secret.h"
#include "federity/v1/statistics.grpc.pb.h"
#include "server/api/dispatcher.h"

namespace federity::api {

// Federated statistics. The dispatcher must outlive it. Thread-safe.
class StatisticsService final : public v1::StatisticsService::CallbackService {
 public:
  // `key_file` seals the sums of open runs.
  StatisticsService(Dispatcher& dispatcher, const crypto::Secret& key_file)
      : dispatcher_(dispatcher), key_file_(key_file) {}

  grpc::ServerUnaryReactor* StartStatistics(grpc::CallbackServerContext* context,
                                            const v1::StartStatisticsRequest* request,
                                            v1::StatisticsRun* response) override;
  grpc::ServerUnaryReactor* GetStatistics(grpc::CallbackServerContext* context,
                                          const v1::GetStatisticsRequest* request,
                                          v1::StatisticsRun* response) override;
  grpc::ServerUnaryReactor* SubmitStatistics(grpc::CallbackServerContext* context,
                                             const v1::SubmitStatisticsRequest* request,
                                             v1::SubmitStatisticsResponse* response) override;
  grpc::ServerUnaryReactor* GetStandardisation(grpc::CallbackServerContext* context,
                                               const v1::GetStandardisationRequest* request,
                                               v1::Standardisation* response) override;

 private:
  Dispatcher& dispatcher_;
  const crypto::Secret& key_file_;
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_STATISTICS_SERVICE_H_
