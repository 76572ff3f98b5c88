#include "server/api/statistics_service.h"

#include <optional>
#include <string>
#include <vector>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/api/converters_repositories.h"
#include "server/api/round_names.h"
#include "server/membership/conversions.h"
#include "server/repositories/plans.h"
#include "server/rounds/statistics_cohort.h"
#include "server/statistics/statistics_run.h"

namespace federity::api {
namespace {

constexpr std::string_view kStartStatistics = "/federity.v1.StatisticsService/StartStatistics";
constexpr std::string_view kGetStatistics = "/federity.v1.StatisticsService/GetStatistics";
constexpr std::string_view kSubmitStatistics = "/federity.v1.StatisticsService/SubmitStatistics";
constexpr std::string_view kGetStandardisation =
    "/federity.v1.StatisticsService/GetStandardisation";

absl::Status ViewRun(Call& call, const statistics::RunRow& run, v1::StatisticsRun* response) {
  response->set_name(run.name());
  response->set_state(run.state);
  if (run.standardisation_digest.has_value()) {
    FEDERITY_ASSIGN_OR_RETURN(const repositories::StandardisationRow row,
                              repositories::GetStandardisation(call.transaction(), run.repository,
                                                               *run.standardisation_digest));
    *response->mutable_standardisation() = ToProto(row, run.repository_name);
  }
  response->set_asked(static_cast<int32_t>(run.asked));
  response->set_answered(static_cast<int32_t>(run.answered));
  response->set_abstained(static_cast<int32_t>(run.abstained));
  // Who else is a member, and who was away, is for maintainers.
  response->set_failure(run.failure_members.empty() || !call.caller().is_maintainer()
                            ? run.failure
                            : StrCat(run.failure, ": ", run.failure_members));
  membership::SetTimestamp(run.created, response->mutable_create_time());
  membership::SetTimestamp(run.deadline, response->mutable_deadline());
  return absl::OkStatus();
}

// `…/statistics/{n}`, or `latest` (0) where that is allowed.
absl::StatusOr<int64_t> RunNumber(const ResourceName& name, bool latest) {
  if (name.collection != "statistics" || !name.subcollection.empty()) {
    return InvalidArgument("name", "must end in /statistics/{number}");
  }
  if (latest && name.id == "latest") return 0;
  const std::optional<int64_t> number = ParseNumber(name.id);
  if (!number.has_value()) return NotFound(FormatResourceName(name));
  return *number;
}

absl::Status StartStatisticsCall(Call& call, const v1::StartStatisticsRequest&,
                                 v1::StatisticsRun* response) {
  if (!call.resource().collection.empty()) {
    return InvalidArgument("parent", "must be a repository");
  }
  const std::string& repository = call.repository().id;
  FEDERITY_ASSIGN_OR_RETURN(
      const statistics::RunRow run,
      rounds::StartStatistics(call.transaction(), repository, call.caller().member_id, call.now()));
  call.AuditResource(run.name());
  return ViewRun(call, run, response);
}

absl::Status GetStandardisationCall(Call& call, const v1::GetStandardisationRequest&,
                                    v1::Standardisation* response) {
  const ResourceName& name = call.resource();
  if (name.collection != "standardisations" || !name.subcollection.empty()) {
    return InvalidArgument("name", "must end in /standardisations/{digest} or /current");
  }
  if (name.id == "current") {
    FEDERITY_ASSIGN_OR_RETURN(
        const std::optional<repositories::StandardisationRow> row,
        repositories::CurrentStandardisation(call.transaction(), call.repository().id));
    if (!row.has_value()) return NotFound(FormatResourceName(name));
    *response = ToProto(*row, call.repository().name);
    return absl::OkStatus();
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const repositories::StandardisationRow row,
      repositories::GetStandardisation(call.transaction(), call.repository().id, name.id));
  *response = ToProto(row, call.repository().name);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* StatisticsService::StartStatistics(
    grpc::CallbackServerContext* context, const v1::StartStatisticsRequest* request,
    v1::StatisticsRun* response) {
  return dispatcher_.HandleUnary(context, kStartStatistics, *request, response,
                                 StartStatisticsCall);
}

grpc::ServerUnaryReactor* StatisticsService::GetStatistics(grpc::CallbackServerContext* context,
                                                           const v1::GetStatisticsRequest* request,
                                                           v1::StatisticsRun* response) {
  return dispatcher_.HandleUnary(
      context, kGetStatistics, *request, response,
      [](Call& call, const v1::GetStatisticsRequest&, v1::StatisticsRun* answer) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const int64_t number, RunNumber(call.resource(), true));
        FEDERITY_ASSIGN_OR_RETURN(
            const statistics::RunRow run,
            statistics::GetRun(call.transaction(), call.repository().id, number));
        return ViewRun(call, run, answer);
      });
}

grpc::ServerUnaryReactor* StatisticsService::SubmitStatistics(
    grpc::CallbackServerContext* context, const v1::SubmitStatisticsRequest* request,
    v1::SubmitStatisticsResponse* response) {
  return dispatcher_.HandleUnary(
      context, kSubmitStatistics, *request, response,
      [this](Call& call, const v1::SubmitStatisticsRequest& answer,
             v1::SubmitStatisticsResponse*) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const int64_t number, RunNumber(call.resource(), false));
        return statistics::SubmitAnswer(call.transaction(), call.repository().id,
                                        call.caller().member_id, number, answer, key_file_,
                                        call.now());
      });
}

grpc::ServerUnaryReactor* StatisticsService::GetStandardisation(
    grpc::CallbackServerContext* context, const v1::GetStandardisationRequest* request,
    v1::Standardisation* response) {
  return dispatcher_.HandleUnary(context, kGetStandardisation, *request, response,
                                 GetStandardisationCall);
}

}  // namespace federity::api
