#include "server/api/server_service.h"

#include <optional>

#include "absl/strings/numbers.h"
#include "common/base/errors.h"
#include "common/base/resource_name.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/audit/audit_log.h"
#include "server/membership/conversions.h"

namespace federity::api {
namespace {

constexpr std::string_view kGetServerInfo = "/federity.v1.ServerService/GetServerInfo";
constexpr std::string_view kListAuditEvents = "/federity.v1.ServerService/ListAuditEvents";

v1::AuditEvent ToProto(const audit::Event& event, const ResourceName& scope) {
  v1::AuditEvent proto;
  ResourceName name = scope;
  name.collection = "auditEvents";
  name.id = StrCat(event.id);
  proto.set_name(FormatResourceName(name));
  membership::SetTimestamp(event.time, proto.mutable_time());
  proto.set_actor(event.actor);
  proto.set_action(event.action);
  proto.set_resource(event.resource);
  proto.set_outcome(event.outcome);
  for (const auto& [key, value] : event.details) (*proto.mutable_details())[key] = value;
  return proto;
}

}  // namespace

grpc::ServerUnaryReactor* ServerService::GetServerInfo(grpc::CallbackServerContext* context,
                                                       const v1::GetServerInfoRequest* request,
                                                       v1::ServerInfo* response) {
  return dispatcher_.HandleUnary(
      context, kGetServerInfo, *request, response,
      [this](Call& call, const v1::GetServerInfoRequest&, v1::ServerInfo* info) -> absl::Status {
        info->set_version(options_.version);
        info->set_schema_version(store::SchemaVersion());
        membership::SetTimestamp(start_time_, info->mutable_start_time());
        membership::SetTimestamp(call.now(), info->mutable_time());
        info->set_ca_fingerprint(ca_fingerprint_);
        info->set_max_upload_bytes(options_.max_upload_bytes);
        info->set_min_client_version(options_.min_client_version);
        info->mutable_addresses()->Assign(options_.addresses.begin(), options_.addresses.end());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ServerService::ListAuditEvents(grpc::CallbackServerContext* context,
                                                         const v1::ListAuditEventsRequest* request,
                                                         v1::ListAuditEventsResponse* response) {
  return dispatcher_.HandleUnary(
      context, kListAuditEvents, *request, response,
      [this](Call& call, const v1::ListAuditEventsRequest& list,
             v1::ListAuditEventsResponse* answer) -> absl::Status {
        if (!call.resource().collection.empty()) {
          return InvalidArgument("parent", "must be `server`, an organization or a repository");
        }
        const PageTokens& tokens = dispatcher_.page_tokens();
        FEDERITY_ASSIGN_OR_RETURN(
            const PageCursor cursor,
            tokens.Read(kListAuditEvents, list.parent(), list.page_size(), list.page_token()));
        std::optional<int64_t> before;
        if (!cursor.cursor.empty()) {
          int64_t id = 0;
          if (!absl::SimpleAtoi(cursor.cursor, &id)) {
            return absl::InternalError("a cursor of ours does not parse");
          }
          before = id;
        }
        FEDERITY_ASSIGN_OR_RETURN(const std::vector<audit::Event> events,
                                  audit::List(call.transaction(),
                                              {.organization = call.resource().organization,
                                               .repository = call.repository().id},
                                              before, cursor.size + 1));
        for (const audit::Event& event : events) {
          if (answer->audit_events_size() == cursor.size) {
            const int64_t last = events[static_cast<size_t>(cursor.size) - 1].id;
            answer->set_next_page_token(tokens.Next(kListAuditEvents, list.parent(), StrCat(last)));
            break;
          }
          *answer->add_audit_events() = ToProto(event, call.resource());
        }
        return absl::OkStatus();
      });
}

}  // namespace federity::api
