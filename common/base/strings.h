#ifndef FEDERITY_COMMON_BASE_STRINGS_H_
#define FEDERITY_COMMON_BASE_STRINGS_H_

#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace federity {

// Debian's Abseil is built with a string_view of its own, to which
// std::string_view does not convert. These bridge the two.

inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

// absl::StrCat that also takes std::string_view.
template <typename... Args>
std::string StrCat(const Args&... args) {
  constexpr auto pass = [](const auto& arg) -> decltype(auto) {
    if constexpr (std::is_same_v<std::decay_t<decltype(arg)>, std::string_view>) {
      return ToAbsl(arg);
    } else {
      return (arg);
    }
  };
  return absl::StrCat(pass(args)...);
}

}  // namespace federity

#endif  // FEDERITY_COMMON_BASE_STRINGS_H_
