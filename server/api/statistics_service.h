#ifndef FEDERITY_SERVER_API_STATISTICS_SERVICE_H_
#define FEDERITY_SERVER_API_STATISTICS_SERVICE_H_

#include "federity/v1/statistics.grpc.pb.h"
#include "server/api/dispatcher.h"

namespace federity::api {

// Federated statistics. The dispatcher must outlive it. Thread-safe.
class StatisticsService final : public v1::StatisticsService::CallbackService {
 public:
  explicit StatisticsService(Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

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
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_STATISTICS_SERVICE_H_
