#ifndef FEDERITY_TESTS_FUZZ_FUZZ_TARGET_H_
#define FEDERITY_TESTS_FUZZ_FUZZ_TARGET_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace federity::fuzz {

// A target takes any bytes, parses them and checks what must hold of the result.
using Target = void (*)(std::string_view input);

// All targets of this program, by name.
std::map<std::string, Target>& Targets();

// Says where an invariant broke and ends the program, in every build.
[[noreturn]] void Broken(const char* file, int line, const char* condition);

}  // namespace federity::fuzz

#define FUZZ_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::federity::fuzz::Broken(__FILE__, __LINE__, #condition))

// FUZZ_TARGET(plan) { … input … }: libFuzzer's entry where it drives the
// program, else an entry of Targets().
#ifdef FEDERITY_LIBFUZZER
#define FUZZ_TARGET(name)                                                   \
  static void name##Target(std::string_view input);                         \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);  \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    name##Target({reinterpret_cast<const char*>(data), size});              \
    return 0;                                                               \
  }                                                                         \
  static void name##Target(std::string_view input)
#else
#define FUZZ_TARGET(name)                                               \
  static void name##Target(std::string_view input);                     \
  [[maybe_unused]] static const bool name##Registered =                 \
      ::federity::fuzz::Targets().emplace(#name, &name##Target).second; \
  static void name##Target(std::string_view input)
#endif

#endif  // FEDERITY_TESTS_FUZZ_FUZZ_TARGET_H_
