#ifndef FEDERITY_SERVER_API_DISPATCHER_H_
#define FEDERITY_SERVER_API_DISPATCHER_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/base/resource_name.h"
#include "common/crypto/secret.h"
#include "server/api/page_token.h"
#include "server/membership/caller.h"
#include "server/membership/permissions.h"
#include "server/store/database.h"

namespace federity::api {

// The one way of every call: who is it (certificate → member row), may it
// (membership/permissions.h, by method; what the table lacks is denied), was it
// answered before (request_id), then the handler, its audit row and its answer
// in ONE transaction. Handlers parse no certificates, check no roles, write no
// audit rows.

// The repository that a call is about, resolved before the handler runs.
struct RepositoryRef {
  std::string id;            // UUID of its row
  std::string name;          // resource name
  std::string organization;  // identifier
};

// What a handler gets. Lives for one run of the handler.
class Call {
 public:
  Call(store::Transaction& transaction, const membership::Caller& caller, ResourceName resource,
       RepositoryRef repository, absl::Time now)
      : transaction_(transaction),
        caller_(caller),
        resource_(std::move(resource)),
        repository_(std::move(repository)),
        now_(now) {}

  store::Transaction& transaction() { return transaction_; }
  const membership::Caller& caller() const { return caller_; }
  // The request's `name` or `parent`, parsed; empty for methods without one.
  const ResourceName& resource() const { return resource_; }
  // Set where the resource is a repository or under one.
  const RepositoryRef& repository() const { return repository_; }
  absl::Time now() const { return now_; }
  // Adds a fact to the call's audit row.
  void AuditDetail(std::string key, std::string value) {
    audit_details_.emplace_back(std::move(key), std::move(value));
  }
  // The resource that the audit row names, where it is not the request's.
  void AuditResource(std::string name) { audit_resource_ = std::move(name); }
  // Runs after the commit.
  void AfterCommit(std::function<void()> fn) { after_commit_.push_back(std::move(fn)); }

 private:
  friend class Dispatcher;
  store::Transaction& transaction_;
  const membership::Caller& caller_;
  ResourceName resource_;
  RepositoryRef repository_;
  absl::Time now_;
  std::vector<std::pair<std::string, std::string>> audit_details_;
  std::string audit_resource_;
  std::vector<std::function<void()>> after_commit_;
};

// A caller that may call a method on a resource: for streams, which open no
// transaction for their whole life.
struct Authorised {
  membership::Caller caller;
  ResourceName resource;
  RepositoryRef repository;
};

// Thread-safe.
class Dispatcher {
 public:
  // `key` is 32 bytes that all replicas share
  // (CertificateAuthority::DeriveKey("federity/dispatcher/v1")): it seals page
  // tokens and the answers kept for repeated calls. Database and clock must
  // outlive the dispatcher.
  Dispatcher(store::Database& database, const Clock& clock, crypto::Secret key)
      : database_(database), clock_(clock), key_(key.Clone()), page_tokens_(std::move(key)) {}

  // A unary call: Handler is `absl::Status(Call&, const Request&, Response*)`.
  // `method` is the full name, "/federity.v1.RoundService/StartRound". The
  // handler may run more than once (see Database::RunInTransaction).
  template <typename Request, typename Response, typename Handler>
  grpc::Status Handle(grpc::CallbackServerContext* context, std::string_view method,
                      const Request& request, Response* response, Handler handler) {
    return HandleErased(context, method, request, response, [&](Call& call) -> absl::Status {
      response->Clear();
      return handler(call, request, response);
    });
  }

  // Handle, and the reactor that a callback service returns.
  template <typename Request, typename Response, typename Handler>
  grpc::ServerUnaryReactor* HandleUnary(grpc::CallbackServerContext* context,
                                        std::string_view method, const Request& request,
                                        Response* response, Handler handler) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(Handle(context, method, request, response, std::move(handler)));
    return reactor;
  }

  // A method that needs no certificate (Join, RenewCertificate): the handler,
  // `absl::Status(store::Transaction&, const Request&, Response*)`, proves who
  // calls and writes its audit row itself.
  template <typename Request, typename Response, typename Handler>
  grpc::Status HandlePublic(std::string_view method, const Request& request, Response* response,
                            Handler handler) {
    return PublicErased(method, [&](store::Transaction& transaction) -> absl::Status {
      response->Clear();
      return handler(transaction, request, response);
    });
  }

  // For streams: authenticates and authorises, and audits the opening where the
  // method reads model details. `resource_name` is the request's name or parent.
  absl::StatusOr<Authorised> Authorise(grpc::CallbackServerContext* context,
                                       std::string_view method, std::string_view resource_name);

  // Whether an authorised stream's member is still one with a role that allows
  // the method: MEMBER_REMOVED once it is removed, NOT_FOUND once the repository
  // is deleted, ROLE_REQUIRED once its role does not suffice. Counts as a sign of
  // life.
  absl::Status StillAuthorised(const Authorised& authorised, std::string_view method);

  // What a client gets to see of an error: errors with a reason as they are;
  // others are logged under an identifier, and only that is told.
  grpc::Status ToClient(std::string_view method, const absl::Status& status);

  // An audit row of what was refused, in a transaction of its own, at most one in
  // `interval` for each `what`, so that nobody fills the table. `append` gets how
  // often it happened since the row before. What fails is logged.
  void AuditRarely(const std::string& what, absl::Duration interval,
                   const std::function<absl::Status(store::Transaction&, int64_t)>& append);

  store::Database& database() { return database_; }
  const Clock& clock() const { return clock_; }
  const PageTokens& page_tokens() const { return page_tokens_; }

 private:
  struct Attempt;

  grpc::Status HandleErased(grpc::CallbackServerContext* context, std::string_view method,
                            const google::protobuf::Message& request,
                            google::protobuf::Message* response,
                            const std::function<absl::Status(Call&)>& run);
  grpc::Status PublicErased(std::string_view method,
                            const std::function<absl::Status(store::Transaction&)>& run);
  absl::Status RunCall(store::Transaction& transaction, Attempt& attempt);
  absl::StatusOr<bool> Replay(store::Transaction& transaction, const Attempt& attempt);
  absl::Status KeepResponse(store::Transaction& transaction, const Attempt& attempt);
  std::string ResponseLabel(const Attempt& attempt) const;
  // Each in a transaction of its own, after the call's: they must not fail it.
  void AuditRefusal(const Attempt& attempt, const absl::Status& status);
  void Touch(const std::string& member_id);
  void DeleteOldRequests();
  // 0 if `what` was done within `interval`; else notes that it is done now, and
  // returns how often it was asked for since.
  int64_t TimesDue(const std::string& what, absl::Duration interval);

  store::Database& database_;
  const Clock& clock_;
  const crypto::Secret key_;
  const PageTokens page_tokens_;
  absl::Mutex mutex_;
  struct Done {
    absl::Time last = absl::InfinitePast();
    int64_t skipped = 0;
  };
  absl::flat_hash_map<std::string, Done> done_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_DISPATCHER_H_
