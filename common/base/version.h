#ifndef FEDERITY_COMMON_BASE_VERSION_H_
#define FEDERITY_COMMON_BASE_VERSION_H_

#include <string_view>

namespace federity {

// "0.1.0": the version in CMakeLists.txt, for --version and the handshake.
inline constexpr std::string_view kVersion = FEDERITY_VERSION;

}  // namespace federity

#endif  // FEDERITY_COMMON_BASE_VERSION_H_
