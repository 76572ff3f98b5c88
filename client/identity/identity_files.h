#ifndef FEDERITY_CLIENT_IDENTITY_IDENTITY_FILES_H_
#define FEDERITY_CLIENT_IDENTITY_IDENTITY_FILES_H_

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/identity/identity_store.h"
#include "common/crypto/ed25519.h"
#include "common/crypto/secret.h"

namespace federity::identity {

// The files of one membership's folder. Each is replaced atomically; key and
// certificate share one file, so that they always match.
//   identity.json     what identity_store.h's Identity says, without the times
//   contribution.key  the Ed25519 seed, hexadecimal
//   tls.pem           the TLS key, its certificate, the CA certificate
//   ca.pem            the trust anchor
//   request.der       only while a join is pending

// A TLS key with the chain for it.
struct TlsCredential {
  crypto::Secret private_key_pem;
  std::string chain_pem;  // empty while there is none
};

absl::Status WriteContributionKey(const std::filesystem::path& folder,
                                  const crypto::SigningKey& key);
absl::StatusOr<crypto::SigningKey> ReadContributionKey(const std::filesystem::path& folder);

absl::Status WriteTls(const std::filesystem::path& folder, const TlsCredential& tls);
absl::StatusOr<TlsCredential> ReadTls(const std::filesystem::path& folder);

absl::Status WriteCa(const std::filesystem::path& folder, std::string_view ca_pem);
absl::StatusOr<std::string> ReadCa(const std::filesystem::path& folder);

struct StoredIdentity {
  Identity identity;
  std::string link;  // the hash of the link that made the membership
  absl::Time addresses_time = absl::InfinitePast();  // when the coordinator named its addresses
};
absl::Status WriteIdentity(const std::filesystem::path& folder, const StoredIdentity& stored);
// The certificate's times come from the certificate; without a readable one they are in the
// infinite past, so that it is renewed. INVALID_ARGUMENT, naming the file, if
// identity.json is damaged.
absl::StatusOr<StoredIdentity> ReadIdentity(const std::filesystem::path& folder);

// The fields that follow from a member as the coordinator describes it.
// INVALID_ARGUMENT if its name is not a member's with a UUID.
absl::StatusOr<Identity> IdentityOfMember(const v1::Member& member);

// Overwrites files with zeros (as far as the file system lets that reach the
// disk), then removes the folder.
absl::Status WipeFolder(const std::filesystem::path& folder);

}  // namespace federity::identity

#endif  // FEDERITY_CLIENT_IDENTITY_IDENTITY_FILES_H_
