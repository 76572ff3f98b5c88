#ifndef FEDERITY_CLIENT_AGENT_RENDER_H_
#define FEDERITY_CLIENT_AGENT_RENDER_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace federity::agent {

// A command's result as people read it, ending in a line break, without
// anything that could steer a terminal.
std::string Render(std::string_view command, const nlohmann::json& result);

// A text of several lines, each made printable.
std::string PrintableLines(std::string_view text);

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_RENDER_H_
