#include "tests/testing/faults.h"

#include <sstream>
#include <utility>

namespace federity::testing {

namespace fs = std::filesystem;

Faults::Faults(std::string program) : program_(std::move(program)) { ForgetSteps(); }

std::map<std::string, std::string> Faults::environment() const {
  return {{"LD_PRELOAD", FEDERITY_FAULTS_LIBRARY},
          {"FEDERITY_FAULTS_PROGRAM", program_},
          {"FEDERITY_FAULTS", folder_.path().string()}};
}

void Faults::KillAt(const Moment& moment) {
  WriteText(folder_.path() / "kill",
            std::to_string(moment.count) + (moment.after ? " after " : " before ") + moment.step);
}

void Faults::KillNever() { fs::remove(folder_.path() / "kill"); }

void Faults::SetClock(int64_t seconds_ahead) {
  WriteText(folder_.path() / "clock", std::to_string(seconds_ahead));
}

void Faults::SetFull(bool full) { Set("full", full); }

void Faults::SetReadOnly(bool read_only) { Set("read-only", read_only); }

std::vector<std::string> Faults::Steps() const {
  std::istringstream lines(ReadText(folder_.path() / "steps"));
  std::vector<std::string> steps;
  for (std::string name; std::getline(lines, name);) steps.push_back(name);
  return steps;
}

void Faults::ForgetSteps() { WriteText(folder_.path() / "steps", ""); }

void Faults::Set(const std::string& fault, bool on) {
  if (on) {
    WriteText(folder_.path() / fault, "");
  } else {
    fs::remove(folder_.path() / fault);
  }
}

}  // namespace federity::testing
