#include "server/api/round_service.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/api/page_token.h"
#include "server/api/round_names.h"
#include "server/membership/conversions.h"
#include "server/rounds/round_start.h"
#include "server/rounds/round_store.h"
#include "server/rounds/round_view.h"

namespace federity::api {
namespace {

constexpr std::string_view kStartRound = "/federity.v1.RoundService/StartRound";
constexpr std::string_view kGetRound = "/federity.v1.RoundService/GetRound";
constexpr std::string_view kListRounds = "/federity.v1.RoundService/ListRounds";
constexpr std::string_view kCancelRound = "/federity.v1.RoundService/CancelRound";
constexpr size_t kMaxReasonBytes = 2000;

absl::Status View(Call& call, const rounds::RoundRow& round, v1::Round* response) {
  FEDERITY_ASSIGN_OR_RETURN(
      *response, rounds::ViewRound(call.transaction(), round, ViewerOf(call.caller()), call.now()));
  return absl::OkStatus();
}

absl::Status StartRoundCall(Call& call, const v1::StartRoundRequest& request, v1::Round* response) {
  if (!call.resource().collection.empty()) {
    return InvalidArgument("parent", "must be a repository");
  }
  FEDERITY_ASSIGN_OR_RETURN(const rounds::RoundRow round,
                            rounds::StartSeries(call.transaction(), call.repository().id,
                                                request.count() == 0 ? 1 : request.count(),
                                                call.caller().member_id, call.now()));
  call.AuditResource(round.name());
  call.AuditDetail("count", StrCat(round.series_count));
  return View(call, round, response);
}

absl::Status CancelRoundCall(Call& call, const v1::CancelRoundRequest& request,
                             v1::Round* response) {
  if (!membership::IsPlainText(request.reason(), kMaxReasonBytes)) {
    return InvalidArgument("reason", "must be plain text of at most 2000 bytes");
  }
  FEDERITY_ASSIGN_OR_RETURN(rounds::RoundRow round,
                            FindNamedRound(call.transaction(), call.resource(), call.repository(),
                                           rounds::Lock::kUpdate));
  FEDERITY_RETURN_IF_ERROR(rounds::MoveRound(
      call.transaction(), round, rounds::RoundEvent::kCancelled,
      {.words = request.reason().empty() ? "cancelled by a maintainer"
                                         : StrCat("cancelled: ", request.reason())},
      call.now()));
  call.AuditResource(round.name());
  return View(call, round, response);
}

absl::Status ListRoundsCall(Call& call, const PageTokens& tokens,
                            const v1::ListRoundsRequest& request,
                            v1::ListRoundsResponse* response) {
  if (!call.resource().collection.empty()) {
    return InvalidArgument("parent", "must be a repository");
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const PageCursor page,
      tokens.Read(kListRounds, request.parent(), request.page_size(), request.page_token()));
  const int64_t before = ParseNumber(page.cursor).value_or(std::numeric_limits<int64_t>::max());
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Rows rows,
      call.transaction().Execute(
          StrCat(rounds::kSelectRounds,
                 "WHERE r.repository = $1 AND r.number < $2 ORDER BY r.number DESC LIMIT $3"),
          store::Params().Text(call.repository().id).Int(before).Int(page.size + 1)));
  std::vector<rounds::RoundRow> found;
  for (const store::Row& row : rows) found.push_back(rounds::ReadRound(row));
  if (found.size() > static_cast<size_t>(page.size)) {
    found.resize(static_cast<size_t>(page.size));
    response->set_next_page_token(
        tokens.Next(kListRounds, request.parent(), StrCat(found.back().number)));
  }
  FEDERITY_ASSIGN_OR_RETURN(std::vector<v1::Round> views,
                            rounds::ViewRounds(call.transaction(), found));
  for (v1::Round& view : views) *response->add_rounds() = std::move(view);
  return absl::OkStatus();
}

}  // namespace

RoundService::RoundService(Dispatcher& dispatcher)
    : dispatcher_(dispatcher), tasks_(1), watches_(dispatcher, tasks_) {}

RoundService::~RoundService() { Drain(); }

void RoundService::Drain() {
  watches_.Drain();
  tasks_.Stop();
}

grpc::ServerUnaryReactor* RoundService::StartRound(grpc::CallbackServerContext* context,
                                                   const v1::StartRoundRequest* request,
                                                   v1::Round* response) {
  return dispatcher_.HandleUnary(context, kStartRound, *request, response, StartRoundCall);
}

grpc::ServerUnaryReactor* RoundService::GetRound(grpc::CallbackServerContext* context,
                                                 const v1::GetRoundRequest* request,
                                                 v1::Round* response) {
  return dispatcher_.HandleUnary(
      context, kGetRound, *request, response,
      [](Call& call, const v1::GetRoundRequest&, v1::Round* answer) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const rounds::RoundRow round,
                                  FindNamedRound(call.transaction(), call.resource(),
                                                 call.repository(), rounds::Lock::kNone));
        return View(call, round, answer);
      });
}

grpc::ServerUnaryReactor* RoundService::ListRounds(grpc::CallbackServerContext* context,
                                                   const v1::ListRoundsRequest* request,
                                                   v1::ListRoundsResponse* response) {
  return dispatcher_.HandleUnary(
      context, kListRounds, *request, response,
      [this](Call& call, const v1::ListRoundsRequest& list, v1::ListRoundsResponse* answer) {
        return ListRoundsCall(call, dispatcher_.page_tokens(), list, answer);
      });
}

grpc::ServerUnaryReactor* RoundService::CancelRound(grpc::CallbackServerContext* context,
                                                    const v1::CancelRoundRequest* request,
                                                    v1::Round* response) {
  return dispatcher_.HandleUnary(context, kCancelRound, *request, response, CancelRoundCall);
}

grpc::ServerWriteReactor<v1::WatchRoundResponse>* RoundService::WatchRound(
    grpc::CallbackServerContext* context, const v1::WatchRoundRequest* request) {
  return watches_.Start(context, *request);
}

}  // namespace federity::api
