#ifndef FEDERITY_CLIENT_AGENT_RENDER_H_
#define FEDERITY_CLIENT_AGENT_RENDER_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace federity::agent {

// A command's result as people read it, ending in a line break. Characters that
// would steer a terminal are replaced: much of it comes from the coordinator.
std::string Render(std::string_view command, const nlohmann::json& result);

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_RENDER_H_
