#ifndef FEDERITY_SERVER_APP_CONFIG_H_
#define FEDERITY_SERVER_APP_CONFIG_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace federity::app {

// "host:port", "[v6]:port".
struct HostPort {
  std::string host;  // without brackets
  int port = 0;
  std::string ToString() const;
};
// The port may be left out if `default_port` is not negative. INVALID_ARGUMENT.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text, int default_port = -1);

// What an operator can set. deploy/config/server.toml documents every key.
struct ServerConfig {
  std::filesystem::path data_directory;
  // By which clients reach this coordinator, all replicas together; links name the
  // first. Empty: localhost and the bound port.
  std::vector<std::string> public_addresses;
  std::string listen = "[::]:8443";
  std::filesystem::path key_file;  // default: data_directory + ".key"
  std::string database_url;        // empty: an embedded PostgreSQL
  int max_connections = 16;
  std::filesystem::path blob_directory;  // default: data_directory/blobs
  std::string log_level = "info";
  int64_t max_upload_bytes = int64_t{64} << 30;
  int64_t max_message_bytes = int64_t{4} << 20;
  int64_t memory_bytes = int64_t{512} << 20;  // gRPC's buffers, all connections together
  absl::Duration drain = absl::Seconds(10);
};

// Reads a TOML text; an unknown key, a wrong type or value is INVALID_ARGUMENT
// that names it. Defaults that depend on other keys are not filled in yet.
absl::StatusOr<ServerConfig> ParseServerConfig(std::string_view toml);

// Checks what the parts must satisfy together and fills in what was left out;
// after command-line flags have been put over the file. INVALID_ARGUMENT.
absl::Status CompleteServerConfig(ServerConfig& config);

}  // namespace federity::app

#endif  // FEDERITY_SERVER_APP_CONFIG_H_
