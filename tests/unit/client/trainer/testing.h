#ifndef FEDERITY_TESTS_UNIT_CLIENT_TRAINER_TESTING_H_
#define FEDERITY_TESTS_UNIT_CLIENT_TRAINER_TESTING_H_

#include <fcntl.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "common/base/files.h"
#include "common/plan/plan.h"

namespace federity::trainer::testing {

// A folder that is gone with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "trainer-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

  std::string Write(std::string_view name, std::string_view content) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file.string();
  }

 private:
  std::filesystem::path path_;
};

inline std::string ReadAll(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

inline FileDescriptor OpenForReading(const std::filesystem::path& path) {
  return *OpenFile(path, O_RDONLY);
}

inline std::string GoldenModel(std::string_view name) {
  return std::string(FEDERITY_GOLDEN_DIR) + "/models/" + std::string(name) + ".pt";
}

// A table of n features f0, f1, … and the label y with classes no and yes.
inline Plan TablePlan(int features) {
  Plan plan;
  for (int i = 0; i < features; ++i) plan.data.features.push_back("f" + std::to_string(i));
  plan.data.label = "y";
  plan.data.classes = {"no", "yes"};
  return plan;
}

}  // namespace federity::trainer::testing

#endif  // FEDERITY_TESTS_UNIT_CLIENT_TRAINER_TESTING_H_
