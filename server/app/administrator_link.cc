#include "server/app/administrator_link.h"

#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/crypto/certificates.h"
#include "common/crypto/digest.h"
#include "common/rpc/join_link.h"
#include "federity/v1/membership.pb.h"
#include "server/membership/invitations.h"

namespace federity::app {
namespace {

constexpr int64_t kMaxLinkBytes = 4096;

// A link in the file that can still be redeemed.
absl::StatusOr<std::optional<rpc::JoinLink>> ReadOpenLink(store::Transaction& transaction,
                                                          const std::filesystem::path& file,
                                                          absl::Time now) {
  const absl::StatusOr<std::string> text = ReadFile(file, kMaxLinkBytes);
  if (!text.ok()) return std::optional<rpc::JoinLink>();
  absl::StatusOr<rpc::JoinLink> link = rpc::ParseJoinLink(*text);
  if (!link.ok()) return std::optional<rpc::JoinLink>();
  FEDERITY_ASSIGN_OR_RETURN(
      const auto row, transaction.QueryOptional(
                          "SELECT 1 FROM invitations WHERE secret_digest = $1 AND "
                          "uses < max_uses AND revoked_at IS NULL AND expires_at > $2",
                          store::Params().Bytes(crypto::Sha256(link->secret).view()).Time(now)));
  if (!row.has_value()) return std::optional<rpc::JoinLink>();
  return std::optional<rpc::JoinLink>(*std::move(link));
}

absl::StatusOr<membership::LinkTarget> TargetOf(store::Transaction& transaction,
                                                const std::string& public_address) {
  FEDERITY_ASSIGN_OR_RETURN(const std::optional<store::Row> coordinator,
                            transaction.QueryOptional("SELECT ca_certificate FROM coordinator"));
  if (!coordinator.has_value()) {
    return absl::FailedPreconditionError(
        "this coordinator was never started; `federity-server run` prints the first link");
  }
  FEDERITY_ASSIGN_OR_RETURN(const crypto::CertificateInfo ca,
                            crypto::ParseCertificate(coordinator->Text(0)));
  return membership::LinkTarget{.address = public_address, .ca_fingerprint = ca.fingerprint};
}

absl::StatusOr<std::string> MakeLink(store::Transaction& transaction,
                                     const std::string& public_address, absl::Time now) {
  FEDERITY_ASSIGN_OR_RETURN(const membership::LinkTarget target,
                            TargetOf(transaction, public_address));
  return membership::CreateAdministratorLink(transaction, target, now);
}

absl::StatusOr<bool> HasAdministrator(store::Transaction& transaction) {
  FEDERITY_ASSIGN_OR_RETURN(
      const auto row,
      transaction.QueryOptional("SELECT 1 FROM members WHERE scope_organization IS NULL AND "
                                "role = $1 AND removed_at IS NULL LIMIT 1",
                                store::Params().Int(v1::ROLE_ADMINISTRATOR)));
  return row.has_value();
}

}  // namespace

absl::StatusOr<std::string> MakeAdministratorLink(store::Database& database,
                                                  const std::string& public_address,
                                                  absl::Time now) {
  std::string link;
  FEDERITY_RETURN_IF_ERROR(
      database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(link, MakeLink(transaction, public_address, now));
        return absl::OkStatus();
      }));
  return link;
}

absl::StatusOr<std::string> MakeOwnerLink(store::Database& database,
                                          const std::string& organization,
                                          const std::string& public_address, absl::Time now) {
  std::string link;
  FEDERITY_RETURN_IF_ERROR(
      database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const membership::LinkTarget target,
                                  TargetOf(transaction, public_address));
        FEDERITY_ASSIGN_OR_RETURN(
            link, membership::CreateOwnerLink(transaction, organization, target, now));
        return absl::OkStatus();
      }));
  return link;
}

absl::StatusOr<std::optional<std::string>> FirstAdministratorLink(store::Database& database,
                                                                  const std::filesystem::path& file,
                                                                  const std::string& public_address,
                                                                  absl::Time now) {
  std::optional<std::string> link;
  FEDERITY_RETURN_IF_ERROR(
      database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        link.reset();
        FEDERITY_ASSIGN_OR_RETURN(const bool has_administrator, HasAdministrator(transaction));
        if (has_administrator) return absl::OkStatus();
        FEDERITY_ASSIGN_OR_RETURN(std::optional<rpc::JoinLink> open,
                                  ReadOpenLink(transaction, file, now));
        if (open.has_value()) {
          open->address = public_address;
          link = rpc::FormatJoinLink(*open);
          return absl::OkStatus();
        }
        FEDERITY_ASSIGN_OR_RETURN(link, MakeLink(transaction, public_address, now));
        return absl::OkStatus();
      }));
  // After the commit: a crash before the file is there makes another link.
  if (link.has_value()) {
    FEDERITY_RETURN_IF_ERROR(WriteFileAtomically(file, absl::StrCat(*link, "\n"), 0600));
  }
  return link;
}

absl::Status RemoveUsedLink(store::Database& database, const std::filesystem::path& file,
                            absl::Time now) {
  if (access(file.c_str(), F_OK) != 0) return absl::OkStatus();
  bool open = false;
  FEDERITY_RETURN_IF_ERROR(
      database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const auto link, ReadOpenLink(transaction, file, now));
        open = link.has_value();
        return absl::OkStatus();
      }));
  if (open) return absl::OkStatus();
  if (unlink(file.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, file.string());
  return absl::OkStatus();
}

}  // namespace federity::app
