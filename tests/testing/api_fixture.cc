#include "tests/testing/api_fixture.h"

#include <stdexcept>
#include <utility>

#include "common/base/strings.h"
#include "common/crypto/certificates.h"
#include "common/rpc/channel.h"
#include "server/api/membership_service.h"
#include "server/api/server_service.h"
#include "server/membership/callers.h"

namespace federity::testing {
namespace {

void Require(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

template <typename T>
T Require(absl::StatusOr<T> value) {
  Require(value.status());
  return *std::move(value);
}

}  // namespace

struct ApiFixture::Services {
  explicit Services(ApiFixture& fixture, const std::string& public_address)
      : membership(fixture.dispatcher(), fixture.authority(), public_address),
        server(fixture.dispatcher(), fixture.authority(),
               {.version = "1.2.3", .min_client_version = "1.0.0", .max_upload_bytes = 1 << 20}) {}
  api::MembershipService membership;
  api::ServerService server;
};

ApiFixture::ApiFixture(const AddServices& add) {
  authority_ =
      Require(membership::CertificateAuthority::LoadOrCreate(database(), key_file_, clock_));
  dispatcher_ = std::make_unique<api::Dispatcher>(database(), clock_,
                                                  authority_->DeriveKey("federity/dispatcher/v1"));
  services_ = std::make_unique<Services>(*this, "coordinator.example:8443");
  const auto certificate =
      Require(authority_->IssueServer({"localhost", "127.0.0.1"}, absl::Now()));
  // Asks for a client's certificate, does not insist, verifies what is shown.
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  tls.pem_root_certs = authority_->certificate_pem();
  tls.pem_key_cert_pairs.push_back(
      {std::string(certificate.private_key_pem.view()), certificate.chain_pem});
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(tls), &port);
  builder.RegisterService(&services_->membership);
  builder.RegisterService(&services_->server);
  if (add) add(*this, builder);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) throw std::runtime_error("the test server does not start");
  address_ = StrCat("127.0.0.1:", port);
}

ApiFixture::~ApiFixture() { server_->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(5))); }

store::Rows ApiFixture::Sql(std::string_view sql, const store::Params& params) {
  store::Rows rows;
  Require(database().RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
    absl::StatusOr<store::Rows> result = transaction.Execute(sql, params);
    if (!result.ok()) return result.status();
    rows = *std::move(result);
    return absl::OkStatus();
  }));
  return rows;
}

void ApiFixture::MakeOrganization(const std::string& id, bool has_namespace) {
  Sql("INSERT INTO organizations (id, display_name, has_namespace, created_at) "
      "VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET "
      "has_namespace = organizations.has_namespace OR excluded.has_namespace",
      store::Params().Text(id).Text(StrCat("The ", id)).Bool(has_namespace).Time(clock_.Now()));
}

std::string ApiFixture::MakeRepository(const std::string& organization, const std::string& name) {
  MakeOrganization(organization, /*has_namespace=*/true);
  std::string id = crypto::RandomUuid();
  Sql("INSERT INTO repositories (id, organization, name, created_at) VALUES ($1, $2, $3, $4)",
      store::Params().Text(id).Text(organization).Text(name).Time(clock_.Now()));
  return id;
}

ApiFixture::Member ApiFixture::MakeMember(const MemberSpec& spec) {
  MakeOrganization(spec.organization, /*has_namespace=*/false);
  if (!spec.scope_organization.empty()) MakeOrganization(spec.scope_organization, true);
  std::optional<std::string> scope_organization, scope_repository;
  if (!spec.scope_organization.empty()) scope_organization = spec.scope_organization;
  if (!spec.repository.empty()) {
    const store::Rows rows =
        Sql("SELECT id FROM repositories WHERE organization = $1 AND name = $2 AND "
            "deleted_at IS NULL",
            store::Params().Text(spec.scope_organization).Text(spec.repository));
    if (rows.empty()) throw std::runtime_error("no such repository: " + spec.repository);
    scope_repository = rows[0].Text(0);
  }
  Member member{.id = crypto::RandomUuid(),
                .role = spec.role,
                .kind = spec.kind,
                .key = crypto::SigningKey::Generate()};
  member.name = membership::MemberName(spec.scope_organization, spec.repository, member.id);
  Sql("INSERT INTO members (id, scope_organization, scope_repository, organization, role, kind, "
      "contribution_key, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
      store::Params()
          .Text(member.id)
          .OptionalText(scope_organization)
          .OptionalText(scope_repository)
          .Text(spec.organization)
          .Int(spec.role)
          .Int(spec.kind)
          .Bytes(member.key.public_key())
          .Time(clock_.Now()));
  const crypto::TlsKeyAndRequest key = Require(crypto::GenerateTlsKey());
  const auto certificate =
      Require(authority_->IssueMember(member.id, spec.kind, key.request_der, absl::Now()));
  member.channel = MakeChannel(certificate.chain_pem, key.private_key_pem);
  return member;
}

ApiFixture::Member ApiFixture::MakeOwner(const std::string& organization) {
  return MakeMember(
      {.organization = organization, .scope_organization = organization, .role = v1::ROLE_OWNER});
}

ApiFixture::Member ApiFixture::MakeMember(const std::string& scope_organization,
                                          const std::string& repository, v1::Role role,
                                          v1::MemberKind kind, const std::string& organization) {
  return MakeMember({.organization = organization,
                     .scope_organization = scope_organization,
                     .repository = repository,
                     .role = role,
                     .kind = kind});
}

std::shared_ptr<grpc::Channel> ApiFixture::AnonymousChannel() const {
  return rpc::MakeChannel(
      {.address = address_, .ca_certificate_pem = authority_->certificate_pem()});
}

std::shared_ptr<grpc::Channel> ApiFixture::MakeChannel(const std::string& chain_pem,
                                                       const crypto::Secret& key_pem) const {
  return rpc::MakeChannel({.address = address_,
                           .ca_certificate_pem = authority_->certificate_pem(),
                           .certificate_chain_pem = chain_pem,
                           .private_key_pem = key_pem.Clone()});
}

}  // namespace federity::testing
