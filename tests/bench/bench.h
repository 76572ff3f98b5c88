#ifndef FEDERITY_TESTS_BENCH_BENCH_H_
#define FEDERITY_TESTS_BENCH_BENCH_H_

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"

namespace federity::bench {

using Json = nlohmann::ordered_json;

// A bench has nobody to report an error to.
inline void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << "\n";
  std::exit(1);
}
template <typename T>
T Require(absl::StatusOr<T> value) {
  Require(value.status());
  return *std::move(value);
}

// Seconds that it takes.
inline double Seconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The least of `repeats` runs of each, taken in turn, so that what else the machine
// does meets both.
struct Pair {
  double ours = 1e300;
  double baseline = 1e300;
};
inline Pair InTurn(int repeats, const std::function<void()>& ours,
                   const std::function<void()>& baseline) {
  Pair pair;
  for (int i = 0; i < repeats; ++i) {
    pair.baseline = std::min(pair.baseline, Seconds(baseline));
    pair.ours = std::min(pair.ours, Seconds(ours));
  }
  return pair;
}

// A line of /proc/PID/status in MiB: "VmHWM", "VmRSS".
inline double ProcessMib(const std::string& pid, const std::string& key) {
  std::ifstream status("/proc/" + pid + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(key + ":", 0) == 0) return std::stod(line.substr(key.size() + 1)) / 1024;
  }
  return 0;
}

// Runs it in a process of its own, for memory that belongs to it alone.
inline void InProcess(const std::function<void()>& work) {
  std::cout.flush();
  const pid_t pid = fork();
  if (pid == 0) {
    work();
    std::cout.flush();
    std::_Exit(0);
  }
  int status = 1;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) std::exit(1);
}

inline void Print(const Json& line) { std::cout << line.dump() << std::endl; }

}  // namespace federity::bench

#endif  // FEDERITY_TESTS_BENCH_BENCH_H_
