#ifndef FEDERITY_SERVER_MAINTENANCE_DUMP_H_
#define FEDERITY_SERVER_MAINTENANCE_DUMP_H_

#include <filesystem>
#include <string>

#include "absl/status/status.h"

namespace federity::maintenance {

// A whole database as one file, by PostgreSQL's own programs of the newest version
// on this machine. A password in `url` (libpq's) reaches them through their
// environment, not through arguments that every user can list.

// One snapshot, while the database is in use. FAILED_PRECONDITION if there is no
// pg_dump here; INTERNAL with what it said.
absl::Status DumpDatabase(const std::string& url, const std::filesystem::path& file);

// Into a database without tables of ours, all of it or nothing.
absl::Status LoadDump(const std::string& url, const std::filesystem::path& file);

}  // namespace federity::maintenance

#endif  // FEDERITY_SERVER_MAINTENANCE_DUMP_H_
