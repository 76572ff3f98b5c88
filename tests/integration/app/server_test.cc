// The federity-server program, from outside.

#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/support/sync_stream.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/crypto/certificates.h"
#include "common/crypto/ed25519.h"
#include "common/rpc/channel.h"
#include "common/rpc/join_link.h"
#include "common/rpc/status_codec.h"
#include "federity/v1/membership.grpc.pb.h"
#include "federity/v1/server.grpc.pb.h"
#include "tests/testing/server_process.h"

namespace federity::testing {
namespace {

namespace fs = std::filesystem;

// A member's keys and what Join gave.
struct Joined {
  v1::JoinResponse response;
  rpc::ChannelOptions channel;
};

std::string CaOf(const rpc::JoinLink& link) {
  auto ca = rpc::FetchCaCertificate(link.address, link.ca_fingerprint, absl::Seconds(10));
  INFO(ca.status());
  REQUIRE(ca.ok());
  return *ca;
}

std::unique_ptr<grpc::ClientContext> Context() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  return context;
}

absl::StatusOr<Joined> Join(const std::string& text) {
  const auto link = rpc::ParseJoinLink(text);
  REQUIRE(link.ok());
  auto tls = crypto::GenerateTlsKey();
  REQUIRE(tls.ok());
  const crypto::SigningKey key = crypto::SigningKey::Generate();
  Joined joined;
  joined.channel.address = link->address;
  joined.channel.ca_certificate_pem = CaOf(*link);
  v1::JoinRequest request;
  request.set_secret(link->secret);
  request.set_kind(link->kind);
  request.set_contribution_key(key.public_key());
  request.set_certificate_request(tls->request_der);
  request.set_signature(key.Sign(
      "federity/join/v1", absl::StrCat(std::string(crypto::Sha256(link->secret).view()),
                                       std::string(crypto::Sha256(tls->request_der).view()))));
  request.set_version("0.1.0");
  const auto stub = v1::MembershipService::NewStub(rpc::MakeChannel(joined.channel));
  const grpc::Status status = stub->Join(Context().get(), request, &joined.response);
  if (!status.ok()) return rpc::FromGrpc(status);
  joined.channel.certificate_chain_pem = joined.response.certificate_chain();
  joined.channel.private_key_pem = std::move(tls->private_key_pem);
  return joined;
}

absl::StatusOr<v1::Member> WhoAmI(const rpc::ChannelOptions& channel) {
  const auto stub = v1::MembershipService::NewStub(rpc::MakeChannel(channel));
  v1::Member member;
  const grpc::Status status = stub->GetCaller(Context().get(), v1::GetCallerRequest(), &member);
  if (!status.ok()) return rpc::FromGrpc(status);
  return member;
}

bool WaitUntilGone(const fs::path& file) {
  for (const absl::Time end = absl::Now() + absl::Seconds(30); fs::exists(file);) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(20));
  }
  return true;
}

TEST_CASE("The first administrator joins by the link, once", "[server]") {
  ServerProcess server;
  const std::string link = server.administrator_link();
  struct stat info;
  REQUIRE(stat((server.data_directory() / "administrator-link").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);

  const auto joined = Join(link);
  INFO(joined.status());
  REQUIRE(joined.ok());
  CHECK(joined->response.member().role() == v1::ROLE_ADMINISTRATOR);
  const auto me = WhoAmI(joined->channel);
  INFO(me.status());
  REQUIRE(me.ok());
  CHECK(me->name() == joined->response.member().name());
  // The used link goes; nobody else joins with it.
  CHECK(WaitUntilGone(server.data_directory() / "administrator-link"));
  CHECK_FALSE(Join(link).ok());
  CHECK(server.Stop() == 0);
  CHECK(absl::StrContains(server.output(), link));
}

TEST_CASE("Without a certificate only the public methods answer", "[server]") {
  ServerProcess server;
  const auto link = rpc::ParseJoinLink(server.administrator_link());
  rpc::ChannelOptions channel;
  channel.address = link->address;
  channel.ca_certificate_pem = CaOf(*link);
  const absl::Status status = WhoAmI(channel).status();
  CHECK(ReasonOf(status) == v1::ERROR_REASON_CERTIFICATE_REQUIRED);
}

// The answer of a unary method by name, as bytes.
std::string CallRaw(grpc::Channel& channel, const char* method) {
  const grpc::internal::RpcMethod rpc(method, grpc::internal::RpcMethod::NORMAL_RPC);
  const grpc::Slice nothing("", 0);  // a message without fields
  const grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer response;
  const grpc::Status status =
      grpc::internal::BlockingUnaryCall(&channel, rpc, Context().get(), request, &response);
  INFO(status.error_message());
  REQUIRE(status.ok());
  grpc::Slice slice;
  REQUIRE(response.DumpToSingleSlice(&slice).ok());
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

TEST_CASE("Health and reflection answer without a certificate, for every service", "[server]") {
  ServerProcess server;
  const auto link = rpc::ParseJoinLink(server.administrator_link());
  rpc::ChannelOptions options;
  options.address = link->address;
  options.ca_certificate_pem = CaOf(*link);
  const auto channel = rpc::MakeChannel(options);
  // HealthCheckResponse{status: SERVING}.
  CHECK(CallRaw(*channel, "/grpc.health.v1.Health/Check") == "\x08\x01");

  // ServerReflectionRequest{list_services: ""}.
  const grpc::internal::RpcMethod rpc(
      "/grpc.reflection.v1alpha.ServerReflection/"
      "ServerReflectionInfo",
      grpc::internal::RpcMethod::BIDI_STREAMING);
  const auto context = Context();
  const std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream(
      grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
          channel.get(), rpc, context.get()));
  const grpc::Slice list_services("\x3a\x00", 2);
  REQUIRE(stream->Write(grpc::ByteBuffer(&list_services, 1)));
  REQUIRE(stream->WritesDone());
  grpc::ByteBuffer answer;
  REQUIRE(stream->Read(&answer));
  grpc::Slice slice;
  REQUIRE(answer.DumpToSingleSlice(&slice).ok());
  const std::string services(reinterpret_cast<const char*>(slice.begin()), slice.size());
  for (const char* name : {"Membership", "Server", "Repository", "Commit", "Plan", "Upload",
                           "Round", "Contribution", "Statistics"}) {
    INFO(name);
    CHECK(absl::StrContains(services, absl::StrCat("federity.v1.", name, "Service")));
  }
}

TEST_CASE("A certificate of another coordinator gets no connection", "[server]") {
  ServerProcess server;
  ServerProcess other;
  auto stranger = Join(other.administrator_link());
  REQUIRE(stranger.ok());
  const auto link = rpc::ParseJoinLink(server.administrator_link());
  stranger->channel.address = link->address;
  stranger->channel.ca_certificate_pem = CaOf(*link);
  CHECK(absl::IsUnavailable(WhoAmI(stranger->channel).status()));
}

TEST_CASE("A member works on after the coordinator was killed and started", "[server]") {
  ServerProcess server(ServerProcess::Options{.embedded_database = true});
  const auto joined = Join(server.administrator_link());
  INFO(joined.status());
  REQUIRE(joined.ok());
  server.Kill();
  server.Start();
  CHECK(absl::StrContains(server.output(), "adopted"));
  CHECK(WhoAmI(joined->channel).ok());
  CHECK(server.Stop() == 0);
  server.Start();
  CHECK(WhoAmI(joined->channel).ok());
}

TEST_CASE("The link survives a restart until it is used", "[server]") {
  ServerProcess server;
  const std::string link = server.administrator_link();
  CHECK(server.Stop() == 0);
  CHECK_FALSE(fs::exists(server.data_directory() / "port"));
  server.Start();
  CHECK(server.administrator_link() == link);
  CHECK(Join(link).ok());
}

TEST_CASE("A second start on the same directory is refused by the pid", "[server]") {
  ServerProcess server(ServerProcess::Options{.embedded_database = true});
  const auto second = ServerProcess::Run(
      {"run", "--data-dir", server.data_directory().string(), "--listen", "127.0.0.1:0"});
  CHECK(second.status == 1);
  CHECK(absl::StrContains(second.err, absl::StrCat(server.pid())));
  CHECK(fs::exists(server.data_directory() / "port"));
}

TEST_CASE("A taken port is refused, naming it", "[server]") {
  ServerProcess server;
  TempPostgres postgres;
  const std::string port = server.address().substr(server.address().find(':') + 1);
  const std::string folder = server.data_directory().string() + "-2";
  const auto second = ServerProcess::Run({"run", "--data-dir", folder, "--database-url", postgres.url(),
                                  "--listen", "127.0.0.1:" + port});
  CHECK(second.status == 1);
  CHECK(absl::StrContains(second.err, port));
}

TEST_CASE("`link` makes another link, beside the server and without it", "[server]") {
  ServerProcess server(ServerProcess::Options{.embedded_database = true});
  const std::vector<std::string> command = {"link", "--data-dir", server.data_directory().string()};
  // An owner's: for an organisation that there is, and with the key file.
  std::vector<std::string> owner = command;
  owner.insert(owner.end(), {"--organization", "st-mary"});
  const auto missing = ServerProcess::Run(owner);
  CHECK(missing.status == 1);
  CHECK(absl::StrContains(missing.err, "st-mary"));
  const fs::path key = server.data_directory().string() + ".key";
  fs::rename(key, key.string() + ".away");
  const auto keyless = ServerProcess::Run(owner);
  CHECK(keyless.status == 1);
  CHECK(absl::StrContains(keyless.err, key.string()));
  fs::rename(key.string() + ".away", key);

  const auto beside = ServerProcess::Run(command);
  INFO(beside.err);
  REQUIRE(beside.status == 0);
  CHECK(Join(beside.out).ok());
  CHECK(server.Stop() == 0);
  const auto alone = ServerProcess::Run(command);
  INFO(alone.err);
  REQUIRE(alone.status == 0);
  server.Start();
  CHECK(Join(alone.out).ok());
}

TEST_CASE("A missing or wrong key file is refused, saying so", "[server]") {
  ServerProcess server;
  CHECK(server.Stop() == 0);
  const std::string key = server.data_directory().string() + ".key";
  const std::string good = *ReadFile(key, 64);
  const std::vector<std::string> run = {"run",
                                        "--data-dir",
                                        server.data_directory().string(),
                                        "--database-url",
                                        server.postgres().url(),
                                        "--listen",
                                        "127.0.0.1:0"};

  REQUIRE(unlink(key.c_str()) == 0);
  const auto missing = ServerProcess::Run(run);
  CHECK(missing.status == 1);
  CHECK(absl::StrContains(missing.err, key));

  REQUIRE(WriteFileAtomically(key, std::string(32, 'x')).ok());
  const auto wrong = ServerProcess::Run(run);
  CHECK(wrong.status == 1);
  CHECK(absl::StrContains(wrong.err, key));

  REQUIRE(WriteFileAtomically(key, good).ok());
  server.Start();
}

TEST_CASE("check-config, --version and wrong flags speak plainly", "[server]") {
  ServerProcess server;
  const fs::path file = server.data_directory() / "server.toml";
  REQUIRE(WriteFileAtomically(file, "data_dir = \"/x\"\nlissten = \"y\"\n").ok());
  const auto bad = ServerProcess::Run({"check-config", "--config", file.string()});
  CHECK(bad.status == 1);
  CHECK(absl::StrContains(bad.err, "lissten"));
  REQUIRE(WriteFileAtomically(file, "data_dir = \"/x\"\n").ok());
  CHECK(ServerProcess::Run({"check-config", "--config", file.string()}).status == 0);
  const auto version = ServerProcess::Run({"--version"});
  CHECK(version.status == 0);
  CHECK(absl::StrContains(version.out, "federity-server 0."));
  CHECK(ServerProcess::Run({"run"}).status != 0);
  CHECK(ServerProcess::Run({"fly"}).status != 0);
}

}  // namespace
}  // namespace federity::testing
