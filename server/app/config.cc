#include "server/app/config.h"

#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/config/strict_toml.h"

namespace federity::app {
namespace {

constexpr int64_t kKib = 1 << 10;
constexpr int64_t kMib = 1 << 20;
constexpr int64_t kGib = 1 << 30;
constexpr size_t kMaxPublicAddresses = 16;

absl::Status BadHostPort(std::string_view text, std::string_view problem) {
  return InvalidArgument(
      "address", StrCat("`", text, "`: ", problem, "; write HOST:PORT or [V6ADDRESS]:PORT"));
}

}  // namespace

std::string HostPort::ToString() const {
  return absl::StrContains(host, ':') ? StrCat("[", host, "]:", port) : StrCat(host, ":", port);
}

absl::StatusOr<HostPort> ParseHostPort(std::string_view text, int default_port) {
  HostPort result;
  std::string_view rest;
  if (text.substr(0, 1) == "[") {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return BadHostPort(text, "the bracket does not close");
    result.host = std::string(text.substr(1, close - 1));
    rest = text.substr(close + 1);
  } else {
    const size_t colon = text.find(':');
    result.host = std::string(text.substr(0, colon));
    rest = colon == std::string_view::npos ? "" : text.substr(colon);
    if (rest.find(':', 1) != std::string_view::npos) {
      return BadHostPort(text, "an IPv6 address needs brackets");
    }
  }
  if (result.host.empty()) return BadHostPort(text, "the host is missing");
  if (result.host.find_first_of(" /?#@%\"'\\") != std::string::npos || result.host.size() > 253) {
    return BadHostPort(text, "this is no host name or address");
  }
  if (rest.empty()) {
    if (default_port < 0) return BadHostPort(text, "the port is missing");
    result.port = default_port;
    return result;
  }
  if (rest[0] != ':' || !absl::SimpleAtoi(ToAbsl(rest.substr(1)), &result.port) ||
      result.port < 0 || result.port > 65535) {
    return BadHostPort(text, "the port is no number from 0 to 65535");
  }
  return result;
}

absl::StatusOr<ServerConfig> ParseServerConfig(std::string_view text) {
  FEDERITY_ASSIGN_OR_RETURN(config::StrictToml toml, config::StrictToml::Parse(text));
  ServerConfig result;
  result.data_directory = toml.String("data_dir", "");
  result.public_addresses = toml.StringOrStrings("public");
  result.listen = toml.String("listen", result.listen);
  result.key_file = toml.String("key_file", "");
  result.database_url = toml.String("database.url", "");
  result.max_connections =
      static_cast<int>(toml.Integer("database.max_connections", result.max_connections, 2, 1000));
  result.blob_directory = toml.String("blobs.directory", "");
  result.log_level =
      toml.OneOf("log.level", result.log_level, {"debug", "info", "warning", "error"});
  result.max_upload_bytes =
      toml.Integer("limits.max_upload_bytes", result.max_upload_bytes, kMib, kGib << 20);
  result.max_message_bytes = toml.Integer("limits.max_message_bytes", result.max_message_bytes,
                                          kMib + 64 * kKib, 64 * kMib);
  result.memory_bytes =
      toml.Integer("limits.memory_bytes", result.memory_bytes, 64 * kMib, kGib << 10);
  result.drain = toml.Duration("drain", result.drain, absl::Seconds(1), absl::Minutes(10));
  FEDERITY_RETURN_IF_ERROR(toml.Finish());
  return result;
}

absl::Status CompleteServerConfig(ServerConfig& config) {
  if (config.data_directory.empty()) {
    return InvalidArgument("data_dir",
                           "data_dir is missing; give --data-dir DIR or set it in the "
                           "configuration");
  }
  std::error_code error;
  config.data_directory = std::filesystem::absolute(config.data_directory, error);
  // "dir/" names the same folder as "dir", and ".key" is appended to it.
  if (!config.data_directory.has_filename()) {
    config.data_directory = config.data_directory.parent_path();
  }
  config.data_directory = config.data_directory.lexically_normal();
  if (config.key_file.empty()) config.key_file = config.data_directory.string() + ".key";
  if (config.blob_directory.empty()) config.blob_directory = config.data_directory / "blobs";
  const absl::StatusOr<HostPort> listen = ParseHostPort(config.listen);
  if (!listen.ok()) return Annotate(listen.status(), "listen");
  if (config.public_addresses.size() > kMaxPublicAddresses) {
    return InvalidArgument("public", StrCat("public names ", config.public_addresses.size(),
                                            " addresses; at most ", kMaxPublicAddresses));
  }
  for (const std::string& text : config.public_addresses) {
    // Port 0 means, as without a port, the one that is bound.
    const absl::StatusOr<HostPort> address = ParseHostPort(text, 0);
    if (!address.ok()) return Annotate(address.status(), "public");
  }
  return absl::OkStatus();
}

}  // namespace federity::app
