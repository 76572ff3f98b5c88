#ifndef FEDERITY_CLIENT_AGENT_CONFIG_H_
#define FEDERITY_CLIENT_AGENT_CONFIG_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace federity::agent {

// agent.toml; every key is documented in deploy/config/agent.toml. A regular
// value type.
struct Config {
  std::filesystem::path state_dir;  // empty: DefaultStateDirectory()
  std::string log_level = "info";
  std::filesystem::path trainer;  // empty: beside this program
  int64_t cache_bytes = int64_t{4} << 30;
  int32_t cpus = 1;
  int64_t memory_bytes = 0;  // 0: no limit
  std::string device = "auto";
};

// INVALID_ARGUMENT naming file, key and remedy.
absl::StatusOr<Config> LoadConfig(const std::filesystem::path& file);

// /var/lib/federity-agent for root, else $XDG_STATE_HOME/federity-agent, else
// ~/.local/state/federity-agent.
std::filesystem::path DefaultStateDirectory();

// "4GiB", "512MiB", "1GB", or plain bytes; INVALID_ARGUMENT otherwise.
absl::StatusOr<int64_t> ParseBytes(std::string_view text);

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_CONFIG_H_
