#ifndef FEDERITY_SERVER_EMBEDDED_POSTGRES_EMBEDDED_POSTGRES_H_
#define FEDERITY_SERVER_EMBEDDED_POSTGRES_EMBEDDED_POSTGRES_H_

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace federity::embedded_postgres {

// A PostgreSQL cluster of our own in DIR/postgres, reached through a unix socket
// in a private folder; it listens on no port. Started by root it runs as the
// system user federity, else postgres, else nobody; an existing cluster runs as
// its owner. The postmaster outlives a killed federity-server: a live one is
// adopted at the next start. The caller holds a lock on DIR. Thread-compatible.
class EmbeddedPostgres {
 public:
  struct Options {
    std::filesystem::path directory;  // DIR
    // False: a crash of the machine may lose the cluster. For tests.
    bool durable = true;
    // Over the defaults.
    std::vector<std::pair<std::string, std::string>> settings;
  };

  // Makes the cluster where there is none, starts or adopts the postmaster, and
  // returns once it takes connections (crash recovery may take its time).
  // FAILED_PRECONDITION or PERMISSION_DENIED with the remedy: no PostgreSQL, a
  // cluster of a version that is not installed, a folder that the user can't reach.
  static absl::StatusOr<std::unique_ptr<EmbeddedPostgres>> Start(Options options);

  // The URL of the postmaster that runs on DIR now; NOT_FOUND if none does.
  static absl::StatusOr<std::string> FindRunning(const std::filesystem::path& directory);

  virtual ~EmbeddedPostgres() = default;  // stops it

  // A libpq connection string; stays the same while this object lives.
  virtual const std::string& url() const = 0;
  virtual pid_t pid() const = 0;
  // Whether the postmaster was found running.
  virtual bool adopted() const = 0;
  // Starts the postmaster again if it has died.
  virtual absl::Status EnsureRunning() = 0;
  // Fast shutdown: open transactions are rolled back, the rest is written.
  virtual absl::Status Stop() = 0;
};

}  // namespace federity::embedded_postgres

#endif  // FEDERITY_SERVER_EMBEDDED_POSTGRES_EMBEDDED_POSTGRES_H_
