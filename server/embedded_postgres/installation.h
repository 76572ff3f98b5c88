#ifndef FEDERITY_SERVER_EMBEDDED_POSTGRES_INSTALLATION_H_
#define FEDERITY_SERVER_EMBEDDED_POSTGRES_INSTALLATION_H_

#include <filesystem>
#include <optional>

#include "absl/status/statusor.h"

namespace federity::embedded_postgres {

// PostgreSQL's programs of one major version on this machine.
struct Installation {
  std::filesystem::path bin;  // holds initdb and postgres
  int major = 0;
};

// Looks where distributions put them and in PATH. With `major`, that version;
// else the newest. FAILED_PRECONDITION with the remedy if there is none.
absl::StatusOr<Installation> FindInstallation(std::optional<int> major);

}  // namespace federity::embedded_postgres

#endif  // FEDERITY_SERVER_EMBEDDED_POSTGRES_INSTALLATION_H_
