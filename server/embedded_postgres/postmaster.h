#ifndef FEDERITY_SERVER_EMBEDDED_POSTGRES_POSTMASTER_H_
#define FEDERITY_SERVER_EMBEDDED_POSTGRES_POSTMASTER_H_

#include <sys/types.h>

#include <filesystem>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace federity::embedded_postgres {

// What a cluster's postmaster.pid says (PostgreSQL source, miscadmin.h,
// "postmaster.pid"): line 1 pid, 5 socket folder, 8 status.
struct Postmaster {
  pid_t pid = 0;
  std::filesystem::path socket_folder;
  bool ready = false;
};

// The live postmaster of the cluster; a stale file, or one whose pid now is
// another program, gives none.
std::optional<Postmaster> FindPostmaster(const std::filesystem::path& cluster);

// Whether the process runs; reaps it if it was our child and has ended.
bool IsRunning(pid_t pid);

// Polls IsRunning; false if it still runs at the end of `timeout`.
bool WaitForEnd(pid_t pid, absl::Duration timeout);

// Fast shutdown, then after a minute an immediate one.
absl::Status StopPostmaster(pid_t pid);

}  // namespace federity::embedded_postgres

#endif  // FEDERITY_SERVER_EMBEDDED_POSTGRES_POSTMASTER_H_
