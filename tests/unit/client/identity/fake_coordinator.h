#ifndef FEDERITY_TESTS_UNIT_CLIENT_IDENTITY_FAKE_COORDINATOR_H_
#define FEDERITY_TESTS_UNIT_CLIENT_IDENTITY_FAKE_COORDINATOR_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/crypto/certificates.h"
#include "common/crypto/digest.h"
#include "common/crypto/ed25519.h"
#include "common/crypto/secret.h"
#include "common/rpc/join_link.h"
#include "common/rpc/status_codec.h"
#include "federity/v1/membership.grpc.pb.h"
#include "federity/v1/server.grpc.pb.h"

namespace federity::identity {

// The membership service over real TLS, with one invitation, checking every
// signature; what goes wrong is set by the test.
class FakeCoordinator final : public v1::MembershipService::Service {
 public:
  explicit FakeCoordinator(std::string scope = "organizations/st-mary/repositories/heart")
      : scope_(std::move(scope)) {
    server_key_ = *crypto::GenerateTlsKey();
    crypto::CertificateSpec spec = Life(absl::Hours(1));
    spec.server = true;
    spec.ip_addresses = {"127.0.0.1"};
    const std::string chain = *crypto::IssueCertificate(ca_.private_key_pem, ca_.certificate_pem,
                                                        server_key_.request_der, spec) +
                              ca_.certificate_pem;
    grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = ca_.certificate_pem;
    options.pem_key_cert_pairs.push_back({std::string(server_key_.private_key_pem.view()), chain});
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port);
    builder.RegisterService(this);
    builder.RegisterService(&information_);
    server_ = builder.BuildAndStart();
    address_ = StrCat("127.0.0.1:", port);
  }
  ~FakeCoordinator() override { server_->Shutdown(std::chrono::system_clock::now()); }

  rpc::JoinLink Link(v1::MemberKind kind = v1::MEMBER_KIND_PERSON) const {
    return {.address = address_,
            .kind = kind,
            .ca_fingerprint = crypto::ParseCertificate(ca_.certificate_pem)->fingerprint,
            .secret = secret_};
  }

  struct Behaviour {
    absl::Status fail_join;     // returned after the keys were recorded
    absl::Status fail_renewal;  // of the second call
    absl::Duration lifetime = absl::Hours(2);
    std::string member_name;  // instead of the right one
    std::vector<std::string> addresses;  // that it names; empty: as an older one
    v1::Role role = v1::ROLE_CONTRIBUTOR;
  };
  template <typename T, typename U>
  void Set(T Behaviour::*member, U&& value) {
    const std::lock_guard lock(mutex_);
    behaviour_.*member = std::forward<U>(value);
  }
  const std::string coordinator_key = crypto::RandomBytes(32);

  struct Seen {
    std::vector<std::string> join_keys;
    int renewals = 0;
    int signed_in = 0;  // calls of GetCaller with a certificate
    int asked = 0;      // calls of GetServerInfo
  };
  Seen seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

  grpc::Status Join(grpc::ServerContext*, const v1::JoinRequest* request,
                    v1::JoinResponse* response) override {
    const std::lock_guard lock(mutex_);
    const std::string message = Sha(request->secret()) + Sha(request->certificate_request());
    if (request->secret() != secret_ ||
        !crypto::VerifySignature(request->contribution_key(), "federity/join/v1", message,
                                 request->signature())) {
      return rpc::ToGrpc(Error(v1::ERROR_REASON_INVITATION_INVALID, "bad secret or signature"));
    }
    seen_.join_keys.push_back(request->contribution_key());
    if (!behaviour_.fail_join.ok()) return rpc::ToGrpc(behaviour_.fail_join);
    if (request->contribution_key() != seen_.join_keys.front()) {
      return rpc::ToGrpc(Error(v1::ERROR_REASON_INVITATION_USED, "used by another key"));
    }
    v1::Member& member = *response->mutable_member();
    member.set_name(behaviour_.member_name.empty() ? MemberName() : behaviour_.member_name);
    member.set_organization("st-luke");
    member.set_organization_display_name("St Luke");
    member.set_role(behaviour_.role);
    member.set_kind(request->kind());
    response->set_certificate_chain(Issue(request->certificate_request()));
    response->set_coordinator_key(coordinator_key);
    return grpc::Status::OK;
  }

  grpc::Status RenewCertificate(grpc::ServerContext*, const v1::RenewCertificateRequest* request,
                                v1::RenewCertificateResponse* response) override {
    const std::lock_guard lock(mutex_);
    if (request->nonce().empty()) {
      nonce_ = crypto::RandomBytes(32);
      response->set_nonce(nonce_);
      return grpc::Status::OK;
    }
    if (!behaviour_.fail_renewal.ok()) return rpc::ToGrpc(behaviour_.fail_renewal);
    const std::string message =
        StrCat(nonce_, Sha(request->name()), Sha(request->certificate_request()));
    if (request->nonce() != std::exchange(nonce_, "") ||
        !crypto::VerifySignature(seen_.join_keys.front(), "federity/renew/v1", message,
                                 request->signature())) {
      return rpc::ToGrpc(Error(v1::ERROR_REASON_SIGNATURE_INVALID, "bad signature"));
    }
    ++seen_.renewals;
    response->set_certificate_chain(Issue(request->certificate_request()));
    return grpc::Status::OK;
  }

  grpc::Status GetCaller(grpc::ServerContext* context, const v1::GetCallerRequest*,
                         v1::Member* member) override {
    if (!context->auth_context()->IsPeerAuthenticated()) {
      return rpc::ToGrpc(Error(v1::ERROR_REASON_CERTIFICATE_REQUIRED, "no certificate"));
    }
    const std::lock_guard lock(mutex_);
    ++seen_.signed_in;
    member->set_name(MemberName());
    return grpc::Status::OK;
  }

  class Information final : public v1::ServerService::Service {
   public:
    explicit Information(FakeCoordinator& coordinator) : coordinator_(coordinator) {}
    grpc::Status GetServerInfo(grpc::ServerContext*, const v1::GetServerInfoRequest*,
                               v1::ServerInfo* info) override {
      const std::lock_guard lock(coordinator_.mutex_);
      ++coordinator_.seen_.asked;
      const std::vector<std::string>& addresses = coordinator_.behaviour_.addresses;
      info->mutable_addresses()->Assign(addresses.begin(), addresses.end());
      return grpc::Status::OK;
    }

   private:
    FakeCoordinator& coordinator_;
  };

  std::string MemberName() const { return StrCat(scope_, "/members/", member_id_); }
  const std::string& member_id() const { return member_id_; }
  const std::string& address() const { return address_; }

 private:
  static std::string Sha(std::string_view data) { return std::string(crypto::Sha256(data).view()); }
  static crypto::CertificateSpec Life(absl::Duration lifetime) {
    crypto::CertificateSpec spec;
    spec.not_before = absl::Now() - absl::Minutes(1);
    spec.not_after = absl::Now() + lifetime;
    return spec;
  }
  std::string Issue(const std::string& request) {
    crypto::CertificateSpec spec = Life(behaviour_.lifetime);
    spec.uri = "federity:member:" + member_id_;
    return *crypto::IssueCertificate(ca_.private_key_pem, ca_.certificate_pem, request, spec) +
           ca_.certificate_pem;
  }

  const std::string scope_;
  const crypto::CaKeyAndCertificate ca_ =
      *crypto::GenerateCa("Federity test", absl::Now(), absl::Hours(24));
  const std::string secret_ = crypto::RandomBytes(rpc::kJoinSecretSize);
  const std::string member_id_ = crypto::RandomUuid();
  crypto::TlsKeyAndRequest server_key_;
  mutable std::mutex mutex_;
  Behaviour behaviour_;
  Seen seen_;
  std::string nonce_;
  std::string address_;
  Information information_{*this};
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace federity::identity

#endif  // FEDERITY_TESTS_UNIT_CLIENT_IDENTITY_FAKE_COORDINATOR_H_
