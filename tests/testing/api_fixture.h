#ifndef FEDERITY_TESTS_TESTING_API_FIXTURE_H_
#define FEDERITY_TESTS_TESTING_API_FIXTURE_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/crypto/ed25519.h"
#include "common/crypto/secret.h"
#include "common/rpc/status_codec.h"
#include "federity/v1/membership.pb.h"
#include "server/api/dispatcher.h"
#include "server/membership/certificate_authority.h"
#include "tests/testing/temp_postgres.h"

namespace federity::testing {

// A clock that stands until it is moved. Begins at the machine's time, because
// TLS looks at that one. Thread-safe.
class TestClock final : public Clock {
 public:
  absl::Time Now() const override {
    absl::MutexLock lock(&mutex_);
    return now_;
  }
  void Advance(absl::Duration by) {
    absl::MutexLock lock(&mutex_);
    now_ += by;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_) = absl::Now();
};

// A coordinator's API in this process: a database of its own, a real gRPC server
// with real TLS on a free port, MembershipService and ServerService, and what
// else the test adds. Members are made directly in the database, with a real
// certificate. Failures throw std::runtime_error. Members and channels may be
// used from any thread.
class ApiFixture {
 public:
  // Makes and registers further services; what it makes must live as long as the
  // fixture.
  using AddServices = std::function<void(ApiFixture&, grpc::ServerBuilder&)>;
  explicit ApiFixture(const AddServices& add = {});
  ~ApiFixture();

  store::Database& database() { return postgres_.database(); }
  TestClock& clock() { return clock_; }
  const membership::CertificateAuthority& authority() const { return *authority_; }
  const crypto::Secret& key_file() const { return key_file_; }
  api::Dispatcher& dispatcher() { return *dispatcher_; }
  const std::string& address() const { return address_; }  // "127.0.0.1:port"

  struct Member {
    std::string id;
    std::string name;  // resource name
    v1::Role role = v1::ROLE_UNSPECIFIED;
    v1::MemberKind kind = v1::MEMBER_KIND_UNSPECIFIED;
    crypto::SigningKey key;
    std::shared_ptr<grpc::Channel> channel;
  };
  struct MemberSpec {
    std::string organization = "coordinator";  // made if it is missing
    std::string scope_organization = {};       // empty: the server
    std::string repository = {};               // identifier; empty: the namespace
    v1::Role role = v1::ROLE_ADMINISTRATOR;
    v1::MemberKind kind = v1::MEMBER_KIND_PERSON;
  };
  Member MakeMember(const MemberSpec& spec);
  Member MakeAdministrator() { return MakeMember({}); }
  // Owner of a namespace, which is made if it is missing.
  Member MakeOwner(const std::string& organization);
  // A member of a repository, of the organisation "hospital" unless given.
  Member MakeMember(const std::string& scope_organization, const std::string& repository,
                    v1::Role role, v1::MemberKind kind = v1::MEMBER_KIND_PERSON,
                    const std::string& organization = "hospital");

  void MakeOrganization(const std::string& id, bool has_namespace);
  // A bare row, without plan and blob key; its UUID.
  std::string MakeRepository(const std::string& organization, const std::string& name);

  // Without a client certificate, and with one.
  std::shared_ptr<grpc::Channel> AnonymousChannel() const;
  std::shared_ptr<grpc::Channel> MakeChannel(const std::string& chain_pem,
                                             const crypto::Secret& key_pem) const;

  // One statement in a transaction of its own; its rows.
  store::Rows Sql(std::string_view sql, const store::Params& params = {});

 private:
  TempPostgres postgres_;
  TestClock clock_;
  const crypto::Secret key_file_ = crypto::RandomSecret(32);
  std::unique_ptr<membership::CertificateAuthority> authority_;
  std::unique_ptr<api::Dispatcher> dispatcher_;
  struct Services;
  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

// Calls a unary method: `Call(*stub, &Stub::GetCaller, request, &response)`, with
// a deadline that no test should meet; the error as rpc::FromGrpc reads it.
template <typename Stub, typename Request, typename Response>
absl::Status Call(Stub& stub,
                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response* response) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  return rpc::FromGrpc((stub.*method)(&context, request, response));
}

// A fresh request_id.
inline std::string NewRequestId() { return crypto::RandomUuid(); }

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_TESTING_API_FIXTURE_H_
