#ifndef FEDERITY_CLIENT_CLI_SESSION_H_
#define FEDERITY_CLIENT_CLI_SESSION_H_

#include <google/protobuf/repeated_ptr_field.h>
#include <grpcpp/channel.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/cli_context.h"
#include "client/identity/call.h"
#include "client/identity/identity_store.h"
#include "common/base/status_macros.h"

namespace federity::cli {

// A call that is repeated for the context's patience; the first failure is told
// to the user, who waits. `cli` must outlive it.
identity::CallOptions PatientCall(CliContext& cli, std::string_view address);

// A scope (repository, organisation or the coordinator) opened with the
// membership that speaks for it. Every call has a deadline and is repeated with
// the same request while that may help. Copyable, thread-compatible; the
// context must outlive it.
class Session {
 public:
  Session(CliContext& cli, identity::Identity identity, std::string scope,
          std::shared_ptr<grpc::Channel> channel)
      : cli_(&cli),
        identity_(std::move(identity)),
        scope_(std::move(scope)),
        channel_(std::move(channel)) {}

  const identity::Identity& identity() const { return identity_; }
  // The resource name that was opened.
  const std::string& scope() const { return scope_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  //   session.Call(&v1::RoundService::Stub::GetRound, request)
  template <class Stub, class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const std::type_identity_t<Request>& request) const {
    Stub stub(channel_);
    return identity::Call(stub, method, request, PatientCall(*cli_, identity_.address));
  }

  // All pages of a list, or the first `limit` items.
  //   session.List(&v1::RoundService::Stub::ListRounds, request,
  //                &v1::ListRoundsResponse::rounds, 100)
  template <class Stub, class Request, class Response, class Item>
  absl::StatusOr<std::vector<Item>> List(
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
      std::type_identity_t<Request> request,
      const google::protobuf::RepeatedPtrField<Item>& (Response::*items)() const,
      size_t limit = kAll) const {
    std::vector<Item> all;
    while (true) {
      const size_t page = std::min<size_t>(limit - all.size(), 1000);
      request.set_page_size(static_cast<int32_t>(page));
      FEDERITY_ASSIGN_OR_RETURN(const Response response, Call(method, request));
      for (const Item& item : (response.*items)()) {
        if (all.size() < limit) all.push_back(item);
      }
      // An empty page with a token would be a coordinator that never ends.
      if (response.next_page_token().empty() || all.size() >= limit ||
          (response.*items)().empty()) {
        return all;
      }
      request.set_page_token(response.next_page_token());
    }
  }

  static constexpr size_t kAll = 1'000'000;

 private:
  CliContext* cli_;
  identity::Identity identity_;
  std::string scope_;
  std::shared_ptr<grpc::Channel> channel_;
};

// "o/r", with the user's own membership or that of the organisation.
absl::StatusOr<Session> OpenRepository(CliContext& cli, std::string_view repository);
// "o/r" or "o" likewise, or "server". Where the user has no membership in the
// organisation, that of the coordinator's administrator speaks.
absl::StatusOr<Session> OpenScope(CliContext& cli, std::string_view scope);
// The membership that would speak for it; asks no coordinator.
absl::StatusOr<identity::Identity> MembershipFor(CliContext& cli, std::string_view scope);
// One given membership.
absl::StatusOr<Session> OpenMembership(CliContext& cli, const identity::Identity& identity,
                                       std::string_view scope);

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_SESSION_H_
