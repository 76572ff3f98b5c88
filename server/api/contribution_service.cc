#include "server/api/contribution_service.h"

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/api/assignment_stream.h"
#include "server/api/page_token.h"
#include "server/api/round_names.h"
#include "server/membership/conversions.h"
#include "server/repositories/commits.h"
#include "server/rounds/contributions.h"
#include "server/rounds/round_store.h"
#include "server/rounds/round_view.h"

namespace federity::api {
namespace {

#define FEDERITY_METHOD(name) "/federity.v1.ContributionService/" name
constexpr std::string_view kReportProgress = FEDERITY_METHOD("ReportProgress");
constexpr std::string_view kSubmitContribution = FEDERITY_METHOD("SubmitContribution");
constexpr std::string_view kAbandonContribution = FEDERITY_METHOD("AbandonContribution");
constexpr std::string_view kSubmitEvaluation = FEDERITY_METHOD("SubmitEvaluation");
constexpr std::string_view kGetContribution = FEDERITY_METHOD("GetContribution");
constexpr std::string_view kListContributions = FEDERITY_METHOD("ListContributions");
#undef FEDERITY_METHOD

// Maintainers and auditors see everybody's contributions, with more or less in
// them; others their own.
bool SeesAll(const membership::Caller& caller) {
  return caller.is_maintainer() || caller.role == v1::ROLE_AUDITOR;
}

absl::Status Submit(Call& call, const v1::SubmitContributionRequest& request,
                    v1::Contribution* response) {
  FEDERITY_ASSIGN_OR_RETURN(const rounds::ContributionRef ref, OwnContribution(call));
  FEDERITY_ASSIGN_OR_RETURN(
      const rounds::ContributionRow row,
      rounds::SubmitContribution(call.transaction(), ref, request, call.now()));
  call.AuditDetail("state", std::string(rounds::StateName(row.state)));
  *response = rounds::ViewContribution(row, ref.repository_name, ViewerOf(call.caller()));
  return absl::OkStatus();
}

absl::Status Abandon(Call& call, const v1::AbandonContributionRequest& request,
                     v1::Contribution* response) {
  FEDERITY_ASSIGN_OR_RETURN(const rounds::ContributionRef ref, OwnContribution(call));
  FEDERITY_ASSIGN_OR_RETURN(
      const rounds::ContributionRow row,
      rounds::AbandonContribution(call.transaction(), ref, request.reason(), call.now()));
  *response = rounds::ViewContribution(row, ref.repository_name, ViewerOf(call.caller()));
  return absl::OkStatus();
}

absl::Status Evaluate(Call& call, const v1::SubmitEvaluationRequest& request,
                      v1::SubmitEvaluationResponse*) {
  if (call.resource().collection != "commits" || !call.resource().subcollection.empty()) {
    return InvalidArgument("commit", "must be a commit");
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const repositories::CommitRow commit,
      repositories::ResolveCommit(call.transaction(), call.repository().id, call.resource().id));
  return rounds::SubmitEvaluation(call.transaction(), call.repository().id, commit.digest,
                                  call.caller().member_id, request.metrics(), call.now());
}

absl::Status Get(Call& call, const v1::GetContributionRequest& request,
                 v1::Contribution* response) {
  FEDERITY_ASSIGN_OR_RETURN(const rounds::ContributionRef ref, OwnContribution(call));
  FEDERITY_ASSIGN_OR_RETURN(const std::optional<rounds::ContributionRow> row,
                            rounds::FindContribution(call.transaction(), ref.repository, ref.round,
                                                     ref.id, rounds::Lock::kNone));
  if (!row.has_value() || (!SeesAll(call.caller()) && row->member != ref.member)) {
    return NotFound(request.name());
  }
  *response = rounds::ViewContribution(*row, ref.repository_name, ViewerOf(call.caller()));
  return absl::OkStatus();
}

// Where a page begins: after this contribution of this round.
struct Place {
  int64_t round = std::numeric_limits<int64_t>::max();
  std::string id = "00000000-0000-0000-0000-000000000000";
};

Place PlaceOf(const std::string& cursor) {
  const size_t slash = cursor.find('/');
  if (slash == std::string::npos) return {};
  return {ParseNumber(std::string_view(cursor).substr(0, slash)).value_or(0),
          cursor.substr(slash + 1)};
}

absl::Status List(Call& call, const PageTokens& tokens, const v1::ListContributionsRequest& request,
                  v1::ListContributionsResponse* response) {
  const ResourceName& name = call.resource();
  const std::optional<int64_t> number = ParseNumber(name.id);
  if (name.collection != "rounds" || !name.subcollection.empty() ||
      (!number.has_value() && name.id != "-")) {
    return InvalidArgument("parent", "must end in /rounds/{number} or /rounds/-");
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const PageCursor page,
      tokens.Read(kListContributions, request.parent(), request.page_size(), request.page_token()));
  const Place place = PlaceOf(page.cursor);
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      call.transaction().Execute(
          StrCat(rounds::kSelectContributions,
                 "WHERE c.repository = $1 AND ($2::bigint = 0 OR c.round = $2::bigint) "
                 "AND ($3 = '' OR c.member::text = $3) "
                 "AND (c.round < $4 OR (c.round = $4 AND c.id > $5)) "
                 "ORDER BY c.round DESC, c.id LIMIT $6"),
          store::Params()
              .Text(call.repository().id)
              .Int(number.value_or(0))
              .Text(SeesAll(call.caller()) ? "" : call.caller().member_id)
              .Int(place.round)
              .Text(place.id)
              .Int(page.size + 1)));
  const auto size = static_cast<size_t>(page.size);
  for (size_t i = 0; i < rows.size() && i < size; ++i) {
    const rounds::ContributionRow row = rounds::ReadContribution(rows[i]);
    *response->add_contributions() =
        rounds::ViewContribution(row, call.repository().name, ViewerOf(call.caller()));
    if (i + 1 == size && rows.size() > size) {
      response->set_next_page_token(
          tokens.Next(kListContributions, request.parent(), StrCat(row.round, "/", row.id)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

void ContributionService::Drain() {
  hub_.Drain(Error(v1::ERROR_REASON_SHUTTING_DOWN, "The coordinator is shutting down."));
}

grpc::ServerWriteReactor<v1::WatchAssignmentsResponse>* ContributionService::WatchAssignments(
    grpc::CallbackServerContext* context, const v1::WatchAssignmentsRequest* request) {
  return StartAssignmentStream(dispatcher_, hub_, context, *request);
}

grpc::ServerUnaryReactor* ContributionService::ReportProgress(
    grpc::CallbackServerContext* context, const v1::ReportProgressRequest* request,
    v1::ReportProgressResponse* response) {
  return dispatcher_.HandleUnary(
      context, kReportProgress, *request, response,
      [](Call& call, const v1::ReportProgressRequest& report,
         v1::ReportProgressResponse* answer) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const rounds::ContributionRef ref, OwnContribution(call));
        FEDERITY_ASSIGN_OR_RETURN(*answer,
                                  rounds::ReportProgress(call.transaction(), ref, report.phase(),
                                                         report.fraction(), call.now()));
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ContributionService::SubmitContribution(
    grpc::CallbackServerContext* context, const v1::SubmitContributionRequest* request,
    v1::Contribution* response) {
  return dispatcher_.HandleUnary(context, kSubmitContribution, *request, response, Submit);
}

grpc::ServerUnaryReactor* ContributionService::AbandonContribution(
    grpc::CallbackServerContext* context, const v1::AbandonContributionRequest* request,
    v1::Contribution* response) {
  return dispatcher_.HandleUnary(context, kAbandonContribution, *request, response, Abandon);
}

grpc::ServerUnaryReactor* ContributionService::SubmitEvaluation(
    grpc::CallbackServerContext* context, const v1::SubmitEvaluationRequest* request,
    v1::SubmitEvaluationResponse* response) {
  return dispatcher_.HandleUnary(context, kSubmitEvaluation, *request, response, Evaluate);
}

grpc::ServerUnaryReactor* ContributionService::GetContribution(
    grpc::CallbackServerContext* context, const v1::GetContributionRequest* request,
    v1::Contribution* response) {
  return dispatcher_.HandleUnary(context, kGetContribution, *request, response, Get);
}

grpc::ServerUnaryReactor* ContributionService::ListContributions(
    grpc::CallbackServerContext* context, const v1::ListContributionsRequest* request,
    v1::ListContributionsResponse* response) {
  return dispatcher_.HandleUnary(context, kListContributions, *request, response,
                                 [this](Call& call, const v1::ListContributionsRequest& list,
                                        v1::ListContributionsResponse* answer) {
                                   return List(call, dispatcher_.page_tokens(), list, answer);
                                 });
}

}  // namespace federity::api
