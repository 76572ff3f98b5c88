#include "server/api/dispatcher.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/aead.h"
#include "common/crypto/digest.h"
#include "common/log/log.h"
#include "common/rpc/status_codec.h"
#include "server/api/access.h"
#include "server/audit/audit_log.h"
#include "server/membership/callers.h"
#include "server/membership/conversions.h"

namespace federity::api {
namespace {

constexpr absl::Duration kKeepResponses = absl::Hours(24);
constexpr absl::Duration kSweepInterval = absl::Minutes(10);
constexpr absl::Duration kTouchInterval = absl::Minutes(1);
// One row a minute tells of an attempt as well as a thousand do.
constexpr absl::Duration kRefusalInterval = absl::Minutes(1);
// More than twice the agents that one coordinator is meant for.
constexpr size_t kMaxNoted = 32768;

std::string_view ShortName(std::string_view method) {
  return method.substr(method.find_last_of('/') + 1);
}

audit::Event EventOf(std::string_view method, const ResourceField& resource,
                     const Authorised& authorised, absl::Time now) {
  return {.time = now,
          .actor = authorised.caller.name,
          .scope_organization = authorised.resource.organization,
          .scope_repository = authorised.repository.id,
          .action = std::string(ShortName(method)),
          .resource = resource.value.empty() ? "server" : resource.value};
}

}  // namespace

// One call, over all runs of its transaction.
struct Dispatcher::Attempt {
  std::string_view method;
  const google::protobuf::Message* request = nullptr;
  google::protobuf::Message* response = nullptr;
  const std::function<absl::Status(Call&)>* run = nullptr;
  const membership::Permission* permission = nullptr;
  std::string member_id;
  ResourceField resource;
  std::string request_id;
  // Set by each run anew.
  Authorised authorised;
  std::vector<std::function<void()>> after_commit;
};

grpc::Status Dispatcher::HandleErased(grpc::CallbackServerContext* context, std::string_view method,
                                      const google::protobuf::Message& request,
                                      google::protobuf::Message* response,
                                      const std::function<absl::Status(Call&)>& run) {
  Attempt attempt{.method = method, .request = &request, .response = response, .run = &run};
  const absl::StatusOr<std::string> member_id = PeerMemberId(*context->auth_context());
  if (!member_id.ok()) return ToClient(method, member_id.status());
  const absl::StatusOr<const membership::Permission*> permission = PermissionFor(method);
  if (!permission.ok()) return ToClient(method, permission.status());
  attempt.member_id = *member_id;
  attempt.permission = *permission;
  attempt.resource = FindResource(request);
  if (attempt.permission->mutation) {
    attempt.request_id = absl::AsciiStrToLower(StringField(request, "request_id"));
  }

  const absl::Status status = database_.RunInTransaction(
      [&](store::Transaction& transaction) { return RunCall(transaction, attempt); });
  if (!attempt.authorised.caller.member_id.empty()) Touch(attempt.member_id);
  if (!status.ok()) {
    response->Clear();
    if (attempt.permission->mutation && ReasonOf(status) == v1::ERROR_REASON_ROLE_REQUIRED) {
      AuditRefusal(attempt, status);
    }
    return ToClient(method, status);
  }
  for (const std::function<void()>& fn : attempt.after_commit) fn();
  if (attempt.permission->mutation) DeleteOldRequests();
  return grpc::Status::OK;
}

grpc::Status Dispatcher::PublicErased(std::string_view method,
                                      const std::function<absl::Status(store::Transaction&)>& run) {
  const membership::Permission* permission = membership::FindPermission(method);
  if (permission == nullptr || permission->resources != membership::kPublic) {
    return ToClient(method, Error(v1::ERROR_REASON_METHOD_DENIED,
                                  StrCat("The method ", method, " is not public.")));
  }
  const absl::Status status = database_.RunInTransaction(run);
  return status.ok() ? grpc::Status::OK : ToClient(method, status);
}

absl::Status Dispatcher::RunCall(store::Transaction& transaction, Attempt& attempt) {
  attempt.after_commit.clear();
  const membership::Permission& permission = *attempt.permission;
  FEDERITY_RETURN_IF_ERROR(AuthoriseMember(transaction, permission, attempt.member_id,
                                           attempt.resource, /*lock=*/permission.mutation,
                                           attempt.authorised));
  if (permission.mutation) {
    FEDERITY_ASSIGN_OR_RETURN(const bool replayed, Replay(transaction, attempt));
    if (replayed) return absl::OkStatus();
  }
  Call call(transaction, attempt.authorised.caller, attempt.authorised.resource,
            attempt.authorised.repository, clock_.Now());
  FEDERITY_RETURN_IF_ERROR((*attempt.run)(call));
  if (permission.mutation || permission.reads_model) {
    audit::Event event = EventOf(attempt.method, attempt.resource, attempt.authorised, call.now());
    if (!call.audit_resource_.empty()) event.resource = call.audit_resource_;
    for (auto& [key, value] : call.audit_details_) event.details[key] = value;
    FEDERITY_RETURN_IF_ERROR(audit::Append(transaction, event));
  }
  if (permission.mutation) FEDERITY_RETURN_IF_ERROR(KeepResponse(transaction, attempt));
  attempt.after_commit = std::move(call.after_commit_);
  return absl::OkStatus();
}

// Takes the request_id for this transaction. The insertion waits for another
// one with the same identifier, so of two calls at once one runs and the other
// answers with its response.
absl::StatusOr<bool> Dispatcher::Replay(store::Transaction& transaction, const Attempt& attempt) {
  if (!membership::IsUuid(attempt.request_id)) {
    return InvalidArgument("request_id", "must be a UUID, new for each change");
  }
  const crypto::Digest digest = crypto::Sha256(attempt.request->SerializeAsString());
  FEDERITY_RETURN_IF_ERROR(
      transaction
          .Execute("INSERT INTO requests (member, request_id, method, request_digest, response, "
                   "created_at) VALUES ($1, $2, $3, $4, '', $5) ON CONFLICT DO NOTHING",
                   store::Params()
                       .Text(attempt.member_id)
                       .Text(attempt.request_id)
                       .Text(attempt.method)
                       .Bytes(digest.view())
                       .Time(clock_.Now()))
          .status());
  if (transaction.affected_rows() > 0) return false;
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Row row,
      transaction.QueryOne("SELECT method, request_digest, response FROM requests "
                           "WHERE member = $1 AND request_id = $2",
                           store::Params().Text(attempt.member_id).Text(attempt.request_id)));
  if (row.Text(0) != attempt.method || row.Bytes(1) != digest.view()) {
    return Error(v1::ERROR_REASON_REQUEST_ID_REUSED,
                 StrCat("The request_id ", attempt.request_id,
                        " was used before with another request; make a new one for each "
                        "change."));
  }
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Secret response,
                            crypto::UnwrapSecret(key_, ResponseLabel(attempt), row.Bytes(2)));
  const std::string_view bytes = response.view();
  if (!attempt.response->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InternalError("a kept response does not parse");
  }
  return true;
}

std::string Dispatcher::ResponseLabel(const Attempt& attempt) const {
  return StrCat("federity/response/v1\n", attempt.member_id, "\n", attempt.request_id);
}

// Sealed, because CreateInvitation's response holds a link that must not be
// readable in the database.
absl::Status Dispatcher::KeepResponse(store::Transaction& transaction, const Attempt& attempt) {
  const std::string sealed = crypto::WrapSecret(
      key_, ResponseLabel(attempt), crypto::Secret(attempt.response->SerializeAsString()));
  return transaction
      .Execute("UPDATE requests SET response = $3 WHERE member = $1 AND request_id = $2",
               store::Params().Text(attempt.member_id).Text(attempt.request_id).Bytes(sealed))
      .status();
}

absl::StatusOr<Authorised> Dispatcher::Authorise(grpc::CallbackServerContext* context,
                                                 std::string_view method,
                                                 std::string_view resource_name) {
  FEDERITY_ASSIGN_OR_RETURN(const std::string member_id, PeerMemberId(*context->auth_context()));
  FEDERITY_ASSIGN_OR_RETURN(const membership::Permission* permission, PermissionFor(method));
  const ResourceField resource{"name", std::string(resource_name)};
  Authorised authorised;
  const absl::Status status =
      database_.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_RETURN_IF_ERROR(AuthoriseMember(transaction, *permission, member_id, resource,
                                                 /*lock=*/false, authorised));
        if (!permission->reads_model) return absl::OkStatus();
        return audit::Append(transaction, EventOf(method, resource, authorised, clock_.Now()));
      });
  FEDERITY_RETURN_IF_ERROR(status);
  Touch(member_id);
  return authorised;
}

absl::Status Dispatcher::StillAuthorised(const Authorised& authorised, std::string_view method) {
  FEDERITY_ASSIGN_OR_RETURN(const membership::Permission* permission, PermissionFor(method));
  const ResourceField resource{"name", FormatResourceName(authorised.resource)};
  Authorised now;
  const absl::Status status = database_.RunInTransaction([&](store::Transaction& transaction) {
    return AuthoriseMember(transaction, *permission, authorised.caller.member_id, resource,
                           /*lock=*/false, now);
  });
  FEDERITY_RETURN_IF_ERROR(status);
  if (now.repository.id != authorised.repository.id) {
    return NotFound(resource.value);  // deleted, and another one made in its place
  }
  Touch(authorised.caller.member_id);
  return absl::OkStatus();
}

grpc::Status Dispatcher::ToClient(std::string_view method, const absl::Status& status) {
  if (ReasonOf(status) != v1::ERROR_REASON_INTERNAL) return rpc::ToGrpc(status);
  const std::string id = crypto::RandomUuid();
  log::Error("call failed", {{"method", std::string(ShortName(method))},
                             {"error_id", id},
                             {"code", absl::StatusCodeToString(status.code())},
                             {"error", std::string(status.message())}});
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kDeadlineExceeded:
      // Worth repeating with the same request_id.
      return rpc::ToGrpc(absl::UnavailableError(
          StrCat("The coordinator can't answer now; its log says why under ", id, ".")));
    default:
      return rpc::ToGrpc(
          Error(v1::ERROR_REASON_INTERNAL,
                StrCat("A fault inside the coordinator; its log has the details under ", id, ".")));
  }
}

int64_t Dispatcher::TimesDue(const std::string& what, absl::Duration interval) {
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mutex_);
  if (done_.size() >= kMaxNoted) done_.clear();
  Done& done = done_[what];
  ++done.skipped;
  if (now - done.last < interval && now >= done.last) return 0;
  done.last = now;
  return std::exchange(done.skipped, 0);
}

void Dispatcher::AuditRarely(
    const std::string& what, absl::Duration interval,
    const std::function<absl::Status(store::Transaction&, int64_t)>& append) {
  const int64_t times = TimesDue(what, interval);
  if (times == 0) return;
  const absl::Status written = database_.RunInTransaction(
      [&](store::Transaction& transaction) { return append(transaction, times); });
  if (!written.ok()) {
    log::Error("refusal not audited", {{"error", std::string(written.message())}});
  }
}

void Dispatcher::AuditRefusal(const Attempt& attempt, const absl::Status& status) {
  audit::Event event = EventOf(attempt.method, attempt.resource, attempt.authorised, clock_.Now());
  event.outcome = std::string(ReasonName(ReasonOf(status)));
  AuditRarely(StrCat("refused/", attempt.member_id, attempt.method), kRefusalInterval,
              [&](store::Transaction& transaction, int64_t times) {
                event.details["attempts"] = StrCat(times);
                return audit::Append(transaction, event);
              });
}

void Dispatcher::Touch(const std::string& member_id) {
  if (TimesDue(StrCat("seen/", member_id), kTouchInterval) == 0) return;
  const absl::Status status = database_.RunInTransaction([&](store::Transaction& transaction) {
    return membership::TouchMember(transaction, member_id, clock_.Now());
  });
  if (!status.ok()) {
    log::Warning("last_seen not written", {{"error", std::string(status.message())}});
  }
}

void Dispatcher::DeleteOldRequests() {
  if (TimesDue("sweep", kSweepInterval) == 0) return;
  const absl::Time now = clock_.Now();
  const absl::Status status =
      database_.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_RETURN_IF_ERROR(transaction
                                     .Execute("DELETE FROM requests WHERE created_at < $1",
                                              store::Params().Time(now - kKeepResponses))
                                     .status());
        return transaction
            .Execute("DELETE FROM renewal_nonces WHERE expires_at < $1", store::Params().Time(now))
            .status();
      });
  if (!status.ok()) {
    log::Warning("old requests not deleted", {{"error", std::string(status.message())}});
  }
}

}  // namespace federity::api
