#include "server/maintenance/key_rotation.h"

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/aead.h"
#include "server/membership/certificate_authority.h"
#include "server/repositories/repositories.h"
#include "server/statistics/statistics_run.h"

namespace federity::maintenance {
namespace {

constexpr char kKeyCheckLabel[] = "federity/backup-key-check/v1";

// Replicas on other machines hold no lock that we could see, but connections.
absl::Status CheckNobodyServes(store::Transaction& transaction) {
  FEDERITY_ASSIGN_OR_RETURN(
      const store::Row row,
      transaction.QueryOne("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                           "current_database() AND application_name = $1",
                           store::Params().Text(store::kServingApplication)));
  if (row.Int(0) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "a coordinator is connected to this database; stop every replica first");
}

}  // namespace

absl::Status RewrapSecrets(store::Database& database, const crypto::Secret& old_key,
                           const crypto::Secret& new_key) {
  return database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
    FEDERITY_RETURN_IF_ERROR(CheckNobodyServes(transaction));
    FEDERITY_RETURN_IF_ERROR(membership::RewrapCoordinatorKeys(transaction, old_key, new_key));
    FEDERITY_RETURN_IF_ERROR(repositories::RewrapBlobKeys(transaction, old_key, new_key));
    FEDERITY_RETURN_IF_ERROR(statistics::RewrapSums(transaction, old_key, new_key));
    return CheckNobodyServes(transaction);  // nobody came meanwhile
  });
}

std::string MakeKeyCheck(const crypto::Secret& key_file) {
  return crypto::WrapSecret(key_file, kKeyCheckLabel, crypto::RandomSecret(crypto::kAeadKeySize));
}

bool OpensKeyCheck(const crypto::Secret& key_file, std::string_view key_check) {
  return crypto::UnwrapSecret(key_file, kKeyCheckLabel, key_check).ok();
}

}  // namespace federity::maintenance
