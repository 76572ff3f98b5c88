// Links, certificates and certificate authorities that are not the right ones.

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "client/identity/identity_files.h"
#include "common/base/clock.h"
#include "common/crypto/certificates.h"
#include "common/rpc/join_link.h"
#include "server/app/key_file.h"
#include "server/membership/certificate_authority.h"
#include "tests/e2e/federation.h"

namespace federity::e2e {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr auto kRepository = Hospitals::kRepository;

void CreateRepository(Federation& federation) {
  federation.CreateRepository(
      kRepository, DemoFile("models/wdbc.pt"),
      Edited(ReadText(DemoFile("plan-wdbc.toml")), "standardise = \"federated\"\n", ""));
}

// The folder of the one membership below `directory`.
fs::path OnlyIdentity(const fs::path& directory) {
  fs::path folder;
  for (const auto& entry : fs::directory_iterator(directory / "identities")) {
    if (!fs::exists(entry.path() / "identity.json")) continue;  // pending
    REQUIRE(folder.empty());
    folder = entry.path();
  }
  REQUIRE_FALSE(folder.empty());
  return folder;
}

bool HasIdentity(const fs::path& directory) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(directory / "identities", none)) {
    if (fs::exists(entry.path() / "identity.json")) return true;
  }
  return false;
}

// Gives the membership a certificate of a year ago, from its coordinator's own
// authority, as if the machine had been off since.
void Expire(Federation& federation, const fs::path& folder, v1::MemberKind kind) {
  const auto key_file =
      app::LoadKeyFile(federation.coordinator().data_directory().string() + ".key", false);
  REQUIRE(key_file.ok());
  const auto authority = membership::CertificateAuthority::LoadOrCreate(
      federation.coordinator().postgres().database(), *key_file, Clock::System());
  REQUIRE(authority.ok());
  auto tls = crypto::GenerateTlsKey();
  REQUIRE(tls.ok());
  const auto certificate = (*authority)
                               ->IssueMember(folder.filename().string(), kind, tls->request_der,
                                             absl::Now() - absl::Hours(24 * 365));
  REQUIRE(certificate.ok());
  REQUIRE(identity::WriteTls(folder, {.private_key_pem = std::move(tls->private_key_pem),
                                      .chain_pem = certificate->chain_pem})
              .ok());
}

}  // namespace

TEST_CASE("Links that are expired, used, revoked, of another kind or forged are refused", "[e2e]") {
  Federation federation;
  CreateRepository(federation);
  Agent stranger(federation.directory() / "workstation", "Stranger");
  const auto refused = [&](const std::string& link, const std::string& says) {
    const Finished person = federation.Try("stranger", {"join", "-"}, link);
    INFO(says << ": " << person.out << person.err);
    CHECK(person.status == 1);
    CHECK(person.err.find(says) != std::string::npos);
    CHECK_FALSE(HasIdentity(federation.home("stranger")));
  };

  // Used.
  const std::string once = federation.Invite(kRepository, "viewer", "University");
  federation.Do("viewer", {"join", "-"}, once);
  refused(once, "used");
  // The one who used it may repeat the command.
  federation.Do("viewer", {"join", "-"}, once);

  // Revoked.
  const json made =
      federation.Json("owner", {"invite", kRepository, "--role", "viewer", "--org", "University"});
  const std::string name = made.at("name");
  federation.Do("owner", {"invitation", "revoke", kRepository, name.substr(name.rfind('/') + 1)});
  refused(made.at("link"), "revoked");

  // Expired: the coordinator's row says so.
  const std::string old = federation.Invite(kRepository, "viewer", "University");
  REQUIRE(federation.coordinator()
              .postgres()
              .database()
              .RunInTransaction([](store::Transaction& transaction) {
                return transaction
                    .Execute(
                        "UPDATE invitations SET expires_at = now() - interval '1 hour' "
                        "WHERE uses = 0")
                    .status();
              })
              .ok());
  refused(old, "expired");

  // Of another kind, either way; neither is spent by it.
  const std::string for_agent = federation.Invite(kRepository, "contributor", "Hospital");
  refused(for_agent, "federity-agent join");
  const std::string for_person = federation.Invite(kRepository, "viewer", "Hospital");
  const Finished agent = stranger.Try({"join", "-"}, for_person);
  CHECK(agent.status == 1);
  CHECK(agent.err.find("federity join") != std::string::npos);
  CHECK_FALSE(HasIdentity(stranger.state()));
  // Not even with the kind forged.
  auto forged = *rpc::ParseJoinLink(for_agent);
  forged.kind = v1::MEMBER_KIND_PERSON;
  refused(rpc::FormatJoinLink(forged), "agent");
  stranger.Do({"join", "-"}, for_agent);

  // Another secret; another certificate authority, which is noticed before the
  // secret is sent; no link at all.
  auto link = *rpc::ParseJoinLink(for_person);
  link.secret[0] ^= 1;
  refused(rpc::FormatJoinLink(link), "link");
  link = *rpc::ParseJoinLink(for_person);
  std::string bytes(link.ca_fingerprint.view());
  bytes[5] ^= 1;
  link.ca_fingerprint = *crypto::DigestFromBytes(bytes);
  refused(rpc::FormatJoinLink(link), "intercepts TLS");
  refused("federity://localhost/j1/x", "link");
  federation.Do("stranger", {"join", "-"}, for_person);
}

TEST_CASE("One coordinator's members are nobody at another", "[e2e]") {
  Federation ours, theirs;
  CreateRepository(ours);
  CreateRepository(theirs);
  ours.Do("owner", {"whoami", "--check"});
  const fs::path mine = OnlyIdentity(ours.home("owner"));
  const fs::path other = OnlyIdentity(theirs.home("owner"));

  // The other's address, wherever it stands: its server's certificate is of the wrong
  // authority.
  const std::string identity = ReadText(mine / "identity.json");
  WriteText(mine / "identity.json",
            absl::StrReplaceAll(identity,
                                {{ours.coordinator().address(), theirs.coordinator().address()}}));
  const Finished wrong_authority = ours.Try("owner", {"log", kRepository});
  INFO(wrong_authority.err);
  CHECK(wrong_authority.status == 1);
  CHECK(wrong_authority.out.empty());
  CHECK(wrong_authority.err.find("certificate") != std::string::npos);

  // The other's authority too: its server does not take our certificate.
  fs::copy_file(other / "ca.pem", mine / "ca.pem", fs::copy_options::overwrite_existing);
  const Finished wrong_certificate = ours.Try("owner", {"log", kRepository});
  INFO(wrong_certificate.err);
  CHECK(wrong_certificate.status == 1);
  CHECK(wrong_certificate.out.empty());
}

TEST_CASE("A certificate that expired while the machine was off is renewed", "[e2e]") {
  Federation federation;
  CreateRepository(federation);
  const fs::path person = OnlyIdentity(federation.home("owner"));
  Expire(federation, person, v1::MEMBER_KIND_PERSON);
  const std::string expired = ReadText(person / "tls.pem");
  federation.Do("owner", {"log", kRepository});
  CHECK(ReadText(person / "tls.pem") != expired);

  Agent& agent = federation.AddTableAgent(kRepository, "Hospital 1", DealBreastCancer(3)[0]);
  CHECK(agent.Stop() == 0);
  const fs::path workstation = OnlyIdentity(agent.state());
  Expire(federation, workstation, v1::MEMBER_KIND_AGENT);
  const std::string agents_expired = ReadText(workstation / "tls.pem");
  agent.Start();
  federation.AwaitOnline(kRepository, agent);
  CHECK(ReadText(workstation / "tls.pem") != agents_expired);
}

}  // namespace federity::e2e
