#include "common/log/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

#include "common/base/encoding.h"
#include "common/base/strings.h"

namespace federity::log {
namespace {

constexpr size_t kMaxValueBytes = 4096;

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// One line whatever the text holds: control characters could forge a second.
std::string OneLine(std::string_view text) {
  std::string line = ToValidUtf8(text, kMaxValueBytes);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  return line;
}

// logfmt: quoted where a reader would stop too early.
std::string Value(std::string_view text) {
  const std::string line = OneLine(text);
  if (!line.empty() && line.find_first_of(" =\"\\") == std::string::npos) return line;
  std::string quoted = "\"";
  for (const char c : line) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

std::shared_ptr<spdlog::logger> MakeLogger(std::string_view program, Level level) {
  auto logger = std::make_shared<spdlog::logger>(std::string(program),
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  std::string pattern = "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
  if (!program.empty()) pattern += StrCat(" program=", program);
  logger->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
  logger->set_level(ToSpdlog(level));
  logger->flush_on(spdlog::level::debug);
  return logger;
}

// Ours, not spdlog's default: that one writes to standard output, where tables
// and JSON go. Never destroyed: threads may log at exit.
std::atomic<std::shared_ptr<spdlog::logger>>& Current() {
  static auto* const current =
      new std::atomic<std::shared_ptr<spdlog::logger>>(MakeLogger("", Level::kInfo));
  return *current;
}

}  // namespace

void Initialise(std::string_view program, Level level) {
  Current().store(MakeLogger(program, level));
}

Level ParseLevel(std::string_view text) {
  if (text == "debug") return Level::kDebug;
  if (text == "warning") return Level::kWarning;
  if (text == "error") return Level::kError;
  return Level::kInfo;
}

void Write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  const std::shared_ptr<spdlog::logger> logger = Current().load();
  if (!logger->should_log(ToSpdlog(level))) return;
  std::string line = OneLine(message);
  for (const auto& [key, value] : fields) line += StrCat(" ", key, "=", Value(value));
  logger->log(ToSpdlog(level), spdlog::string_view_t(line));
}

}  // namespace federity::log
