#include "tests/fuzz/fuzz_target.h"

#include <cstdio>
#include <cstdlib>

namespace federity::fuzz {

std::map<std::string, Target>& Targets() {
  static std::map<std::string, Target> targets;
  return targets;
}

void Broken(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  std::abort();
}

}  // namespace federity::fuzz
