#ifndef FEDERITY_CLIENT_AGENT_NAMES_H_
#define FEDERITY_CLIENT_AGENT_NAMES_H_

#include <string>
#include <string_view>

#include "common/base/resource_name.h"

namespace federity::agent {

// "o/r" for any resource of a repository; the text itself if it is none.
inline std::string ShortName(std::string_view resource_name) {
  const auto name = ParseResourceName(resource_name);
  return name.ok() && !name->repository.empty() ? name->short_name() : std::string(resource_name);
}

// "round 3" for a contribution of round 3.
inline std::string RoundOf(std::string_view contribution) {
  const auto name = ParseResourceName(contribution);
  return name.ok() && name->collection == "rounds" ? "round " + name->id
                                                   : std::string(contribution);
}

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_NAMES_H_
