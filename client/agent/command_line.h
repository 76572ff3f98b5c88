#ifndef FEDERITY_CLIENT_AGENT_COMMAND_LINE_H_
#define FEDERITY_CLIENT_AGENT_COMMAND_LINE_H_

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>

namespace federity::agent {

// What the user typed.
struct Invocation {
  std::string command;       // "dataset add"
  nlohmann::json arguments;  // as Execute takes them
  bool json = false;
  std::filesystem::path state_dir;  // empty: the configuration's
  std::filesystem::path config;     // empty: none
};

// Parses; the exit status if the user was answered already (help, version, a
// mistake).
std::variant<Invocation, int> ParseCommandLine(int argc, const char* const* argv);

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_COMMAND_LINE_H_
