#ifndef FEDERITY_TESTS_TESTING_FAULTS_H_
#define FEDERITY_TESTS_TESTING_FAULTS_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/testing/process.h"

namespace federity::testing {

// What goes wrong below one of our programs (tests/faults/faults.cc says what a
// step and each fault is). A program takes part that is started with this
// environment. Thread-compatible.
class Faults {
 public:
  explicit Faults(std::string program);  // "federity-server"
  std::map<std::string, std::string> environment() const;

  // A moment to die: right before or right after the `count`th step of that name.
  struct Moment {
    std::string step;
    int count = 1;
    bool after = false;
  };
  // For the next start.
  void KillAt(const Moment& moment);
  void KillNever();
  // For the next start.
  void SetClock(int64_t seconds_ahead);
  // At once: a disk that is full, one that can only be read.
  void SetFull(bool full);
  void SetReadOnly(bool read_only);
  // The names of the steps since ForgetSteps, in order: "rename to outbox/delta",
  // "commit of UPDATE rounds SET …".
  std::vector<std::string> Steps() const;
  void ForgetSteps();

 private:
  void Set(const std::string& fault, bool on);
  const std::string program_;
  TemporaryFolder folder_;
};

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_TESTING_FAULTS_H_
