#include "client/identity/identity_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "client/identity/addresses.h"
#include "common/base/encoding.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/resource_name.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/certificates.h"
#include "common/rpc/address.h"

namespace federity::identity {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxFile = 1 << 20;
constexpr std::string_view kCertificateBegin = "-----BEGIN CERTIFICATE-----";

// A text field; empty where it is missing or no text, which the caller checks.
std::string Text(const nlohmann::json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// Where the list is missing, as in files of older programs, the one address.
std::vector<std::string> Addresses(const nlohmann::json& json, const std::string& address) {
  std::vector<std::string> addresses;
  const auto it = json.find("addresses");
  if (it != json.end() && it->is_array()) {
    for (const nlohmann::json& one : *it) {
      if (!one.is_string() || addresses.size() >= kMaxAddresses) continue;
      if (const auto text = one.get<std::string>(); rpc::ParseAddress(text).ok()) {
        addresses.push_back(text);
      }
    }
  }
  if (addresses.empty()) addresses.push_back(address);
  return addresses;
}

bool IsMemberId(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-';
  });
}

absl::Status Damaged(const fs::path& file, std::string_view what) {
  return Error(v1::ERROR_REASON_INVALID_ARGUMENT,
               StrCat(file.string(), " is damaged: ", what,
                      "; restore it from a backup or join again with a new link"));
}

// Half of the certificate's life, as the coordinator reckons it, and its end.
void SetTimes(const fs::path& folder, Identity& identity) {
  identity.renew_time = identity.expire_time = absl::InfinitePast();
  const auto tls = ReadTls(folder);
  if (!tls.ok()) return;
  const std::vector<std::string> chain = crypto::SplitPemChain(tls->chain_pem);
  if (chain.empty()) return;
  const auto info = crypto::ParseCertificate(chain.front());
  if (!info.ok()) return;
  identity.expire_time = info->not_after;
  identity.renew_time = info->not_before + (info->not_after - info->not_before) / 2;
}

}  // namespace

absl::Status WriteContributionKey(const fs::path& folder, const crypto::SigningKey& key) {
  return WriteFileAtomically(folder / "contribution.key", HexEncode(key.seed().view()) + "\n");
}

absl::StatusOr<crypto::SigningKey> ReadContributionKey(const fs::path& folder) {
  const fs::path file = folder / "contribution.key";
  FEDERITY_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxFile));
  const auto seed = HexDecode(ToStd(absl::StripAsciiWhitespace(text)));
  if (!seed || seed->size() != crypto::kEd25519KeySize) {
    return Damaged(file, "it does not hold 64 hexadecimal digits");
  }
  return crypto::SigningKey::FromSeed(crypto::Secret(*seed));
}

absl::Status WriteTls(const fs::path& folder, const TlsCredential& tls) {
  return WriteFileAtomically(folder / "tls.pem", StrCat(tls.private_key_pem.view(), tls.chain_pem));
}

absl::StatusOr<TlsCredential> ReadTls(const fs::path& folder) {
  FEDERITY_ASSIGN_OR_RETURN(const std::string text, ReadFile(folder / "tls.pem", kMaxFile));
  const size_t chain = std::min(text.find(kCertificateBegin), text.size());
  return TlsCredential{.private_key_pem = crypto::Secret(text.substr(0, chain)),
                       .chain_pem = text.substr(chain)};
}

absl::Status WriteCa(const fs::path& folder, std::string_view ca_pem) {
  return WriteFileAtomically(folder / "ca.pem", ca_pem);
}

absl::StatusOr<std::string> ReadCa(const fs::path& folder) {
  return ReadFile(folder / "ca.pem", kMaxFile);
}

absl::Status WriteIdentity(const fs::path& folder, const StoredIdentity& stored) {
  const Identity& identity = stored.identity;
  nlohmann::ordered_json json = {
      {"member", identity.member},
      {"address", identity.address},
      {"organization", identity.organization},
      {"organization_display_name", identity.organization_display_name},
      {"role", v1::Role_Name(identity.role)},
      {"kind", v1::MemberKind_Name(identity.kind)},
      {"ca_fingerprint", identity.ca_fingerprint},
      {"coordinator_key", HexEncode(identity.coordinator_key)},
      {"link", stored.link},
      {"addresses", identity.addresses}};
  if (stored.addresses_time != absl::InfinitePast()) {
    json["addresses_time"] = absl::ToUnixSeconds(stored.addresses_time);
  }
  return WriteFileAtomically(
      folder / "identity.json",
      json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

absl::StatusOr<StoredIdentity> ReadIdentity(const fs::path& folder) {
  const fs::path file = folder / "identity.json";
  FEDERITY_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxFile));
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Damaged(file, "it is not a JSON object");
  v1::Member member;
  v1::Role role = v1::ROLE_UNSPECIFIED;
  v1::MemberKind kind = v1::MEMBER_KIND_UNSPECIFIED;
  v1::Role_Parse(Text(json, "role"), &role);
  v1::MemberKind_Parse(Text(json, "kind"), &kind);
  member.set_name(Text(json, "member"));
  member.set_organization(Text(json, "organization"));
  member.set_organization_display_name(Text(json, "organization_display_name"));
  member.set_role(role);
  member.set_kind(kind);
  auto identity = IdentityOfMember(member);
  if (!identity.ok()) return Damaged(file, ToStd(identity.status().message()));
  identity->address = Text(json, "address");
  identity->ca_fingerprint = Text(json, "ca_fingerprint");
  identity->coordinator_key = HexDecode(Text(json, "coordinator_key")).value_or("");
  if (identity->address.empty()) return Damaged(file, "it names no address");
  identity->addresses = Addresses(json, identity->address);
  SetTimes(folder, *identity);
  StoredIdentity stored{.identity = *std::move(identity), .link = Text(json, "link")};
  if (const auto it = json.find("addresses_time"); it != json.end() && it->is_number_integer()) {
    stored.addresses_time = absl::FromUnixSeconds(it->get<int64_t>());
  }
  return stored;
}

absl::StatusOr<Identity> IdentityOfMember(const v1::Member& member) {
  FEDERITY_ASSIGN_OR_RETURN(const ResourceName name, ParseResourceName(member.name()));
  // The id names a folder here, whatever the coordinator sent.
  if (name.collection != "members" || !name.subcollection.empty() || !IsMemberId(name.id)) {
    return InvalidArgument("member", StrCat("'", member.name(), "' is no member's name"));
  }
  Identity identity;
  identity.id = name.id;
  identity.member = member.name();
  identity.scope = !name.repository.empty()     ? name.repository_name()
                   : !name.organization.empty() ? name.organization_name()
                                                : std::string();
  identity.organization = member.organization();
  identity.organization_display_name = member.organization_display_name();
  identity.role = member.role();
  identity.kind = member.kind();
  return identity;
}

absl::Status WipeFolder(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (!entry.is_regular_file(error)) continue;
    const auto size = static_cast<size_t>(entry.file_size(error));
    auto file = OpenFile(entry.path(), O_WRONLY);
    if (!file.ok() || size > static_cast<size_t>(kMaxFile)) continue;
    FEDERITY_RETURN_IF_ERROR(WriteFully(file->get(), std::string(size, '\0'), 0));
    ::fdatasync(file->get());
  }
  fs::remove_all(folder, error);
  if (error) return ErrnoStatus(error.value(), StrCat("removing ", folder.string()));
  return SyncDirectory(folder.parent_path());
}

}  // namespace federity::identity
