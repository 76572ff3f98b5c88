#include "server/app/server_credentials.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/server_builder.h>

#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/crypto/certificates.h"
#include "common/rpc/channel.h"
#include "federity/v1/membership.grpc.pb.h"
#include "tests/testing/temp_postgres.h"

namespace federity::app {
namespace {

class FixedClock : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now;
};

// Connects and returns the certificate that the server shows.
absl::StatusOr<crypto::CertificateInfo> ShownCertificate(const rpc::ChannelOptions& options) {
  const auto channel = rpc::MakeChannel(options);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  const grpc::Slice nothing("", 0);
  const grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer response;
  const grpc::Status status = grpc::internal::BlockingUnaryCall(
      channel.get(),
      grpc::internal::RpcMethod("/grpc.health.v1.Health/Check",
                                grpc::internal::RpcMethod::NORMAL_RPC),
      &context, request, &response);
  if (!status.ok()) return absl::UnavailableError(status.error_message());
  const auto pem = context.auth_context()->FindPropertyValues("x509_pem_cert");
  if (pem.empty()) return absl::NotFoundError("no certificate");
  return crypto::ParseCertificate(std::string_view(pem[0].data(), pem[0].size()));
}

TEST_CASE("The server certificate is renewed at half of its life, without a restart", "[server]") {
  testing::TempPostgres postgres;
  FixedClock clock;
  clock.now = absl::Now() - absl::Hours(24 * 200);
  const crypto::Secret key = crypto::RandomSecret(32);
  const auto authority =
      membership::CertificateAuthority::LoadOrCreate(postgres.database(), key, clock);
  REQUIRE(authority.ok());
  const auto credentials =
      ServerCredentials::Create(**authority, {"localhost", "127.0.0.1", "::1"}, clock);
  REQUIRE(credentials.ok());

  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", (*credentials)->grpc_credentials(absl::Seconds(1)),
                           &port);
  v1::MembershipService::CallbackService service;  // its threads answer health too
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  REQUIRE(server != nullptr);

  rpc::ChannelOptions options;
  options.address = absl::StrCat("localhost:", port);
  options.ca_certificate_pem = (*authority)->certificate_pem();
  const auto first = ShownCertificate(options);
  INFO(first.status());
  REQUIRE(first.ok());
  CHECK(first->dns_names == std::vector<std::string>{"localhost"});
  CHECK(first->ip_addresses.size() == 2);

  // Not yet due: a day later.
  clock.now += absl::Hours(24);
  REQUIRE((*credentials)->RenewIfDue().ok());
  CHECK(ShownCertificate(options)->fingerprint == first->fingerprint);

  clock.now = absl::Now();
  REQUIRE((*credentials)->RenewIfDue().ok());
  absl::StatusOr<crypto::CertificateInfo> second = first;
  for (const absl::Time end = absl::Now() + absl::Seconds(30);
       absl::Now() < end && (!second.ok() || second->fingerprint == first->fingerprint);) {
    second = ShownCertificate(options);
  }
  REQUIRE(second.ok());
  CHECK(second->fingerprint != first->fingerprint);
  CHECK(second->not_after > first->not_after);
}

}  // namespace
}  // namespace federity::app
