#ifndef FEDERITY_SERVER_APP_COMMAND_DATABASE_H_
#define FEDERITY_SERVER_APP_COMMAND_DATABASE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/crypto/secret.h"
#include "server/app/config.h"
#include "server/embedded_postgres/embedded_postgres.h"
#include "server/store/database.h"

namespace federity::app {

// A coordinator's database for one command. An embedded one that runs is used as it
// is; one that doesn't runs for this object's life, under the data directory's lock.
struct CommandDatabase {
  FileDescriptor lock;  // held unless the coordinator runs here, or the database is external
  std::unique_ptr<embedded_postgres::EmbeddedPostgres> postgres;
  std::string url;
  std::unique_ptr<store::Database> database;  // first to go
};

enum class Coordinator {
  kMayRun,
  kMustBeStopped,  // FAILED_PRECONDITION naming its pid otherwise, if it runs here
};

// Of a coordinator that exists, with this program's schema: an embedded one that
// does not run is brought to it. FAILED_PRECONDITION if there is none, or the
// schema is another.
absl::StatusOr<CommandDatabase> OpenCommandDatabase(const ServerConfig& config,
                                                    Coordinator coordinator);

// A new one for a restore: takes the lock and starts an embedded cluster where the
// configuration names no other. Not migrated.
absl::StatusOr<CommandDatabase> MakeCommandDatabase(const ServerConfig& config);

// Whether the database holds secrets that a key file wraps.
absl::StatusOr<bool> HasSecrets(store::Database& database);

// The key file, if it is there and this database's.
absl::StatusOr<crypto::Secret> OpenKeyFile(const ServerConfig& config, store::Database& database,
                                           const Clock& clock);

}  // namespace federity::app

#endif  // FEDERITY_SERVER_APP_COMMAND_DATABASE_H_
