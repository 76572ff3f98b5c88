#include "server/api/plan_service.h"

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/plan/plan.h"
#include "server/api/converters_repositories.h"
#include "server/repositories/plans.h"

namespace federity::api {
namespace {

constexpr std::string_view kList = "/federity.v1.PlanService/ListPlans";

}  // namespace

grpc::ServerUnaryReactor* PlanService::GetPlan(grpc::CallbackServerContext* context,
                                               const v1::GetPlanRequest* request,
                                               v1::Plan* response) {
  return dispatcher_.HandleUnary(
      context, "/federity.v1.PlanService/GetPlan", *request, response,
      [](Call& call, const v1::GetPlanRequest& message, v1::Plan* out) -> absl::Status {
        const ResourceName& name = call.resource();
        if (name.collection != "plans" || !name.subcollection.empty()) {
          return InvalidArgument("name", StrCat("\"", message.name(), "\" is no plan"));
        }
        FEDERITY_ASSIGN_OR_RETURN(
            const repositories::PlanRow plan,
            name.id == "current"
                ? repositories::CurrentPlan(call.transaction(), call.repository().id)
                : repositories::GetPlan(call.transaction(), call.repository().id, name.id));
        *out = ToProto(plan, call.repository().name);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* PlanService::ListPlans(grpc::CallbackServerContext* context,
                                                 const v1::ListPlansRequest* request,
                                                 v1::ListPlansResponse* response) {
  return dispatcher_.HandleUnary(
      context, kList, *request, response,
      [this](Call& call, const v1::ListPlansRequest& message,
             v1::ListPlansResponse* out) -> absl::Status {
        const std::string& parent = call.repository().name;
        FEDERITY_ASSIGN_OR_RETURN(const PageCursor page,
                                  dispatcher_.page_tokens().Read(kList, parent, message.page_size(),
                                                                 message.page_token()));
        FEDERITY_ASSIGN_OR_RETURN(auto rows,
                                  repositories::ListPlans(call.transaction(), call.repository().id,
                                                          page.cursor, page.size + 1));
        if (static_cast<int>(rows.size()) > page.size) {
          rows.pop_back();
          out->set_next_page_token(
              dispatcher_.page_tokens().Next(kList, parent, rows.back().digest));
        }
        for (const repositories::PlanRow& row : rows) *out->add_plans() = ToProto(row, parent);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* PlanService::SetPlan(grpc::CallbackServerContext* context,
                                               const v1::SetPlanRequest* request,
                                               v1::Plan* response) {
  return dispatcher_.HandleUnary(
      context, "/federity.v1.PlanService/SetPlan", *request, response,
      [](Call& call, const v1::SetPlanRequest& message, v1::Plan* out) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const Plan plan, ParsePlan(message.toml()));
        FEDERITY_ASSIGN_OR_RETURN(const repositories::PlanRow row,
                                  repositories::SetPlan(call.transaction(), call.repository().id,
                                                        plan, call.caller().member_id, call.now()));
        *out = ToProto(row, call.repository().name);
        call.AuditDetail("plan", row.digest);
        return absl::OkStatus();
      });
}

}  // namespace federity::api
