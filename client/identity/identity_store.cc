#include "client/identity/identity_store.h"

#include <algorithm>
#include <array>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/synchronization/mutex.h"
#include "client/identity/addresses.h"
#include "client/identity/call.h"
#include "client/identity/choose.h"
#include "client/identity/enrolment.h"
#include "client/identity/identity_files.h"
#include "common/base/encoding.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/base/version.h"
#include "common/crypto/certificates.h"
#include "common/crypto/digest.h"
#include "common/rpc/channel.h"
#include "federity/v1/server.grpc.pb.h"

namespace federity::identity {
namespace {

namespace fs = std::filesystem;
using Stub = v1::MembershipService::Stub;

constexpr absl::Duration kConnectTimeout = absl::Seconds(20);
// How long the coordinator's list of addresses is taken to be true, and how long
// its answer is worth waiting for, at the join and later.
constexpr absl::Duration kAddressesLife = absl::Hours(1);
constexpr absl::Duration kFirstAddressesWait = absl::Seconds(20);
constexpr absl::Duration kAddressesWait = absl::Seconds(2);

// What the file system knows a link by; the secret itself is never stored.
std::string LinkHash(const rpc::JoinLink& link) {
  return crypto::Sha256(StrCat("federity/link/v1", link.secret)).Hex();
}

absl::Status CheckKind(const rpc::JoinLink& link, v1::MemberKind kind) {
  if (link.kind == kind) return absl::OkStatus();
  const bool for_agent = link.kind == v1::MEMBER_KIND_AGENT;
  return InvalidArgument(
      "link", for_agent ? "this link is for an agent; on the workstation beside the data, run: "
                          "federity-agent join 'LINK'"
                        : "this link is for a person; run: federity join 'LINK'");
}

// Whether the coordinator will never take these keys for this link.
bool IsFinal(const absl::Status& status) {
  constexpr std::array kFinal = {
      v1::ERROR_REASON_INVITATION_INVALID, v1::ERROR_REASON_INVITATION_EXPIRED,
      v1::ERROR_REASON_INVITATION_USED, v1::ERROR_REASON_INVITATION_REVOKED,
      v1::ERROR_REASON_INVITATION_KIND_MISMATCH};
  return std::find(kFinal.begin(), kFinal.end(), ReasonOf(status)) != kFinal.end();
}

// Without a TLS key it signs nobody in.
std::shared_ptr<grpc::Channel> ChannelTo(const Identity& identity, std::string ca,
                                         TlsCredential tls) {
  return rpc::MakeChannel(
      {.address = identity.addresses.front(),
       .other_addresses = {identity.addresses.begin() + 1, identity.addresses.end()},
       .ca_certificate_pem = std::move(ca),
       .certificate_chain_pem = std::move(tls.chain_pem),
       .private_key_pem = std::move(tls.private_key_pem)});
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(const fs::path& folder) {
  FEDERITY_ASSIGN_OR_RETURN(const StoredIdentity stored, ReadIdentity(folder));
  FEDERITY_ASSIGN_OR_RETURN(TlsCredential tls, ReadTls(folder));
  FEDERITY_ASSIGN_OR_RETURN(std::string ca, ReadCa(folder));
  return ChannelTo(stored.identity, std::move(ca), std::move(tls));
}

// Takes the rights of group and others from a folder that has them, by a copy or
// a restored backup: nobody else has business in it, so there is nothing to ask.
absl::Status CloseToOthers(const fs::path& folder) {
  std::error_code error;
  const fs::perms all = fs::status(folder, error).permissions();
  if (!error && (all & (fs::perms::group_all | fs::perms::others_all)) != fs::perms::none) {
    fs::permissions(folder, fs::perms::owner_all, error);
  }
  if (error) return ErrnoStatus(error.value(), StrCat("closing ", folder.string(), " to others"));
  return absl::OkStatus();
}

class FileIdentityStore final : public IdentityStore {
 public:
  FileIdentityStore(const fs::path& directory, const Clock& clock)
      : identities_(directory / "identities"), pending_(directory / "pending"), clock_(clock) {}

  absl::StatusOr<Identity> Join(const rpc::JoinLink& link, v1::MemberKind kind,
                                std::string_view version) override;
  absl::StatusOr<std::vector<Identity>> List() override;
  absl::StatusOr<Identity> Get(std::string_view id) override {
    FEDERITY_ASSIGN_OR_RETURN(const fs::path folder, FolderOf(id));
    FEDERITY_ASSIGN_OR_RETURN(StoredIdentity stored, ReadIdentity(folder));
    return std::move(stored.identity);
  }
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(std::string_view id) override;
  absl::StatusOr<Identity> ForRepository(std::string_view repository_name) override {
    FEDERITY_ASSIGN_OR_RETURN(const std::vector<Identity> all, List());
    return ChooseIdentity(all, repository_name, /*or_organization=*/true);
  }
  absl::StatusOr<Identity> ForScope(std::string_view scope) override {
    FEDERITY_ASSIGN_OR_RETURN(const std::vector<Identity> all, List());
    return ChooseIdentity(all, scope, /*or_organization=*/false);
  }
  absl::StatusOr<crypto::SigningKey> ContributionKey(std::string_view id) override {
    FEDERITY_ASSIGN_OR_RETURN(const fs::path folder, FolderOf(id));
    return ReadContributionKey(folder);
  }
  absl::Status Remove(std::string_view id) override;

 private:
  absl::StatusOr<fs::path> FolderOf(std::string_view id) const;
  absl::StatusOr<std::vector<StoredIdentity>> ListStored() const;
  absl::StatusOr<fs::path> PreparePending(std::string_view link_hash);
  absl::StatusOr<fs::path> Enrol(const rpc::JoinLink& link, std::string_view version,
                                 std::string_view link_hash);
  absl::StatusOr<Identity> Redeem(const rpc::JoinLink& link, std::string_view version,
                                  const fs::path& folder, std::string_view link_hash);
  absl::Status RenewIfDue(const fs::path& folder);
  void LearnAddressesIfDue(const fs::path& folder, const std::shared_ptr<grpc::Channel>& channel,
                           absl::Duration wait);

  const fs::path identities_;
  const fs::path pending_;
  const Clock& clock_;
  // One join or renewal at a time in this process. Between processes nothing
  // is needed: every file changes by a rename, and of two renewals at once
  // either certificate is good.
  absl::Mutex mutex_;
};

absl::StatusOr<fs::path> FileIdentityStore::FolderOf(std::string_view id) const {
  const fs::path folder = identities_ / fs::path(id);
  std::error_code error;
  if (id.empty() || id.find('/') != id.npos || id.front() == '.' ||
      !fs::is_directory(folder, error)) {
    return Error(v1::ERROR_REASON_NOT_FOUND, StrCat("no membership '", id, "' here"));
  }
  return folder;
}

absl::StatusOr<std::vector<StoredIdentity>> FileIdentityStore::ListStored() const {
  std::vector<StoredIdentity> all;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(identities_, error)) {
    // What a file manager or an editor left there is no membership.
    if (!FolderOf(entry.path().filename().string()).ok()) continue;
    FEDERITY_ASSIGN_OR_RETURN(StoredIdentity stored, ReadIdentity(entry.path()));
    all.push_back(std::move(stored));
  }
  if (error) return ErrnoStatus(error.value(), StrCat("reading ", identities_.string()));
  std::sort(all.begin(), all.end(), [](const StoredIdentity& a, const StoredIdentity& b) {
    return std::tie(a.identity.scope, a.identity.id) < std::tie(b.identity.scope, b.identity.id);
  });
  return all;
}

absl::StatusOr<std::vector<Identity>> FileIdentityStore::List() {
  FEDERITY_ASSIGN_OR_RETURN(std::vector<StoredIdentity> stored, ListStored());
  std::vector<Identity> all;
  for (StoredIdentity& one : stored) all.push_back(std::move(one.identity));
  return all;
}

// The folder of a pending join with its keys, made completely or not at all:
// whoever comes second, after a crash or beside us, uses the first one's keys.
absl::StatusOr<fs::path> FileIdentityStore::PreparePending(std::string_view link_hash) {
  const fs::path folder = pending_ / fs::path(link_hash);
  std::error_code error;
  if (fs::exists(folder / "request.der", error)) return folder;
  const fs::path temporary = pending_ / StrCat(".", crypto::RandomUuid());
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(temporary));
  FEDERITY_ASSIGN_OR_RETURN(crypto::TlsKeyAndRequest tls, crypto::GenerateTlsKey());
  FEDERITY_RETURN_IF_ERROR(WriteContributionKey(temporary, crypto::SigningKey::Generate()));
  FEDERITY_RETURN_IF_ERROR(
      WriteTls(temporary, {.private_key_pem = std::move(tls.private_key_pem)}));
  FEDERITY_RETURN_IF_ERROR(WriteFileAtomically(temporary / "request.der", tls.request_der));
  fs::rename(temporary, folder, error);
  if (error) {
    const std::error_code cause = error;
    FEDERITY_RETURN_IF_ERROR(WipeFolder(temporary));
    if (!fs::exists(folder / "request.der", error)) {
      return ErrnoStatus(cause.value(), StrCat("making ", folder.string()));
    }
  }
  FEDERITY_RETURN_IF_ERROR(SyncDirectory(pending_));
  return folder;
}

absl::StatusOr<Identity> FileIdentityStore::Redeem(const rpc::JoinLink& link,
                                                   std::string_view version, const fs::path& folder,
                                                   std::string_view link_hash) {
  FEDERITY_ASSIGN_OR_RETURN(const crypto::SigningKey key, ReadContributionKey(folder));
  FEDERITY_ASSIGN_OR_RETURN(TlsCredential tls, ReadTls(folder));
  FEDERITY_ASSIGN_OR_RETURN(const std::string request, ReadFile(folder / "request.der", 1 << 16));
  FEDERITY_ASSIGN_OR_RETURN(
      const std::string ca,
      rpc::FetchCaCertificate(link.address, link.ca_fingerprint, kConnectTimeout));
  const auto channel = rpc::MakeChannel({.address = link.address, .ca_certificate_pem = ca});
  Stub stub(channel);
  FEDERITY_ASSIGN_OR_RETURN(const v1::JoinResponse joined,
                            RedeemLink(stub, link, link.kind, version, key, request, {}));
  FEDERITY_ASSIGN_OR_RETURN(Identity identity, IdentityOfMember(joined.member()));
  if (crypto::SplitPemChain(joined.certificate_chain()).empty()) {
    return absl::InternalError("the coordinator's answer holds no certificate");
  }
  identity.address = link.address;
  if (joined.coordinator_key().size() != crypto::kEd25519KeySize) {
    return absl::InternalError("the coordinator's answer holds no key of its own");
  }
  identity.ca_fingerprint = link.ca_fingerprint.Hex();
  identity.coordinator_key = joined.coordinator_key();
  identity.addresses = {link.address};
  tls.chain_pem = joined.certificate_chain();
  FEDERITY_RETURN_IF_ERROR(WriteTls(folder, tls));
  FEDERITY_RETURN_IF_ERROR(WriteCa(folder, ca));
  FEDERITY_RETURN_IF_ERROR(
      WriteIdentity(folder, {.identity = identity, .link = std::string(link_hash)}));
  return identity;
}

absl::StatusOr<Identity> FileIdentityStore::Join(const rpc::JoinLink& link, v1::MemberKind kind,
                                                 std::string_view version) {
  FEDERITY_RETURN_IF_ERROR(CheckKind(link, kind));
  const std::string link_hash = LinkHash(link);
  fs::path home;
  {
    absl::MutexLock lock(&mutex_);
    FEDERITY_ASSIGN_OR_RETURN(const std::vector<StoredIdentity> stored, ListStored());
    for (const StoredIdentity& one : stored) {
      if (one.link == link_hash) return one.identity;
    }
    FEDERITY_ASSIGN_OR_RETURN(home, Enrol(link, version, link_hash));
  }
  // At once: the replica that the link names may be down when the others are needed.
  FEDERITY_ASSIGN_OR_RETURN(const auto channel, OpenChannel(home));
  LearnAddressesIfDue(home, channel, kFirstAddressesWait);
  FEDERITY_ASSIGN_OR_RETURN(StoredIdentity complete, ReadIdentity(home));
  return std::move(complete.identity);
}

// Redeems the link and gives the membership its place: that folder.
absl::StatusOr<fs::path> FileIdentityStore::Enrol(const rpc::JoinLink& link,
                                                  std::string_view version,
                                                  std::string_view link_hash) {
  FEDERITY_ASSIGN_OR_RETURN(const fs::path folder, PreparePending(link_hash));
  const auto identity = Redeem(link, version, folder, link_hash);
  if (!identity.ok()) {
    if (IsFinal(identity.status())) FEDERITY_RETURN_IF_ERROR(WipeFolder(folder));
    return identity.status();
  }
  std::error_code error;
  fs::remove(folder / "request.der", error);
  const fs::path home = identities_ / identity->id;
  fs::rename(folder, home, error);
  if (error) return ErrnoStatus(error.value(), StrCat("making ", home.string()));
  FEDERITY_RETURN_IF_ERROR(SyncDirectory(identities_));
  FEDERITY_RETURN_IF_ERROR(SyncDirectory(pending_));
  return home;
}

// Not being told is no fault: what is known goes on to serve.
void FileIdentityStore::LearnAddressesIfDue(const fs::path& folder,
                                            const std::shared_ptr<grpc::Channel>& channel,
                                            absl::Duration wait) {
  const auto is_due = [&](const StoredIdentity& stored) {
    return absl::AbsDuration(clock_.Now() - stored.addresses_time) >= kAddressesLife;
  };
  absl::StatusOr<StoredIdentity> stored = ReadIdentity(folder);
  if (!stored.ok() || !is_due(*stored)) return;
  v1::ServerService::Stub stub(channel);
  const absl::StatusOr<v1::ServerInfo> info =
      Call(stub, &v1::ServerService::Stub::GetServerInfo, {},
           {.deadline = wait, .give_up_after = absl::ZeroDuration()});
  if (!info.ok() && rpc::IsRetryable(info.status())) return;
  absl::MutexLock lock(&mutex_);
  stored = ReadIdentity(folder);
  if (!stored.ok()) return;
  if (info.ok()) {
    Identity& identity = stored->identity;
    absl::BitGen random;
    identity.addresses =
        MergeAddresses(identity.addresses, {info->addresses().begin(), info->addresses().end()},
                       identity.address, random);
  }
  stored->addresses_time = clock_.Now();
  WriteIdentity(folder, *stored).IgnoreError();
}

absl::Status FileIdentityStore::RenewIfDue(const fs::path& folder) {
  absl::MutexLock lock(&mutex_);
  FEDERITY_ASSIGN_OR_RETURN(const StoredIdentity stored, ReadIdentity(folder));
  if (clock_.Now() < stored.identity.renew_time) return absl::OkStatus();
  FEDERITY_ASSIGN_OR_RETURN(const crypto::SigningKey key, ReadContributionKey(folder));
  FEDERITY_ASSIGN_OR_RETURN(const std::string ca, ReadCa(folder));
  const bool usable = clock_.Now() < stored.identity.expire_time;
  Stub stub(ChannelTo(stored.identity, ca, {}));
  // While the old certificate is good, renewal is not worth waiting for.
  CallOptions options;
  if (usable) options = {.deadline = absl::Seconds(10), .give_up_after = absl::ZeroDuration()};
  const auto renewed = RenewCertificate(stub, stored.identity.member, kVersion, key, options);
  if (renewed.ok()) return WriteTls(folder, *renewed);
  if (usable) return absl::OkStatus();
  return Annotate(renewed.status(),
                  StrCat("renewing the certificate at ", stored.identity.address));
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> FileIdentityStore::Connect(std::string_view id) {
  FEDERITY_ASSIGN_OR_RETURN(const fs::path folder, FolderOf(id));
  FEDERITY_RETURN_IF_ERROR(RenewIfDue(folder));
  FEDERITY_ASSIGN_OR_RETURN(auto channel, OpenChannel(folder));
  LearnAddressesIfDue(folder, channel, kAddressesWait);
  return channel;
}

absl::Status FileIdentityStore::Remove(std::string_view id) {
  const auto folder = FolderOf(id);
  if (!folder.ok()) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  return WipeFolder(*folder);
}

}  // namespace

absl::StatusOr<std::unique_ptr<IdentityStore>> IdentityStore::Open(const fs::path& directory,
                                                                   const Clock& clock) {
  // The last folder of each call is the one that gets 0700.
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(directory));
  for (const char* part : {"identities", "pending"}) {
    FEDERITY_RETURN_IF_ERROR(MakeDirectories(directory / part));
    FEDERITY_RETURN_IF_ERROR(CloseToOthers(directory / part));
  }
  return std::make_unique<FileIdentityStore>(directory, clock);
}

}  // namespace federity::identity
