#include "client/agent/config.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>

#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/config/strict_toml.h"

namespace federity::agent {
namespace {

struct Unit {
  std::string_view name;
  int64_t bytes;
};
constexpr std::array<Unit, 10> kUnits = {{{"", 1},
                                          {"B", 1},
                                          {"KiB", int64_t{1} << 10},
                                          {"MiB", int64_t{1} << 20},
                                          {"GiB", int64_t{1} << 30},
                                          {"TiB", int64_t{1} << 40},
                                          {"kB", 1'000},
                                          {"MB", 1'000'000},
                                          {"GB", 1'000'000'000},
                                          {"TB", 1'000'000'000'000}}};

int64_t Bytes(config::StrictToml& toml, std::string_view key, int64_t fallback) {
  if (!toml.Has(key)) return fallback;
  const absl::StatusOr<int64_t> bytes = ParseBytes(toml.String(key, ""));
  if (bytes.ok()) return *bytes;
  toml.Fail(key, ToStd(bytes.status().message()));
  return fallback;
}

}  // namespace

absl::StatusOr<Config> LoadConfig(const std::filesystem::path& file) {
  FEDERITY_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, 1 << 20));
  absl::StatusOr<config::StrictToml> toml = config::StrictToml::Parse(text);
  if (!toml.ok()) return Annotate(toml.status(), file.string());
  Config config;
  config.state_dir = toml->String("state_dir", "");
  config.log_level = toml->OneOf("log_level", "info", {"debug", "info", "warning", "error"});
  config.trainer = toml->String("trainer.program", "");
  config.cache_bytes = Bytes(*toml, "cache_size", config.cache_bytes);
  config.cpus = static_cast<int32_t>(toml->Integer("trainer.cpus", config.cpus, 1, 1024));
  config.memory_bytes = Bytes(*toml, "trainer.memory", config.memory_bytes);
  config.device = toml->OneOf("trainer.device", "auto", {"auto", "cpu", "cuda"});
  if (absl::Status status = toml->Finish(); !status.ok()) return Annotate(status, file.string());
  return config;
}

std::filesystem::path DefaultStateDirectory() {
  if (geteuid() == 0) return "/var/lib/federity-agent";
  if (const char* xdg = std::getenv("XDG_STATE_HOME"); xdg != nullptr && *xdg == '/')
    return std::filesystem::path(xdg) / "federity-agent";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : "/") / ".local/state/federity-agent";
}

absl::StatusOr<int64_t> ParseBytes(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && number >= 0) {
    const std::string_view name = text.substr(static_cast<size_t>(end - text.data()));
    for (const Unit& unit : kUnits)
      if (unit.name == name && number <= (int64_t{1} << 60) / unit.bytes)
        return number * unit.bytes;
  }
  return InvalidArgument("size", StrCat("'", text.substr(0, 100),
                                        "' is not a size; write 4GiB, 512MiB or plain bytes"));
}

}  // namespace federity::agent
