#ifndef FEDERITY_SERVER_API_PLAN_SERVICE_H_
#define FEDERITY_SERVER_API_PLAN_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include "federity/v1/plans.grpc.pb.h"
#include "server/api/dispatcher.h"

namespace federity::api {

// federity.v1.PlanService. The dispatcher must outlive it. Thread-safe.
class PlanService final : public v1::PlanService::CallbackService {
 public:
  explicit PlanService(Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

  grpc::ServerUnaryReactor* GetPlan(grpc::CallbackServerContext* context,
                                    const v1::GetPlanRequest* request, v1::Plan* response) override;
  grpc::ServerUnaryReactor* ListPlans(grpc::CallbackServerContext* context,
                                      const v1::ListPlansRequest* request,
                                      v1::ListPlansResponse* response) override;
  grpc::ServerUnaryReactor* SetPlan(grpc::CallbackServerContext* context,
                                    const v1::SetPlanRequest* request, v1::Plan* response) override;

 private:
  Dispatcher& dispatcher_;
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_PLAN_SERVICE_H_
