#ifndef FEDERITY_SERVER_MAINTENANCE_MANIFEST_H_
#define FEDERITY_SERVER_MAINTENANCE_MANIFEST_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/digest.h"
#include "common/crypto/file_digest.h"

namespace federity::maintenance {

// A backup is a folder (docs/formats/backup.md):
//   manifest.json                   this; written last
//   database.dump                   pg_dump's custom format
//   blobs/{repository}/{digest}     encrypted files as the coordinator has them
inline constexpr char kManifestFile[] = "manifest.json";
inline constexpr char kDumpFile[] = "database.dump";
inline constexpr char kBlobFolder[] = "blobs";

struct BackedUpBlob {
  std::string repository;    // UUID
  crypto::Digest address;    // of the plaintext: the blob's name
  crypto::FileContent file;  // as encrypted
};

struct Manifest {
  absl::Time created;
  std::string version;    // of the program
  int schema = 0;         // of the database
  std::string authority;  // SHA-256 of the CA certificate, hexadecimal
  std::string key_check;  // opens under the key file that the backup needs
  crypto::FileContent database;
  std::vector<BackedUpBlob> blobs;
  std::vector<std::string> deleted;  // repositories that were deleted meanwhile
};

std::string FormatManifest(const Manifest& manifest);
// INVALID_ARGUMENT that says what is wrong.
absl::StatusOr<Manifest> ParseManifest(std::string_view json);

}  // namespace federity::maintenance

#endif  // FEDERITY_SERVER_MAINTENANCE_MANIFEST_H_
