#ifndef FEDERITY_CLIENT_TRAINER_OUTPUTS_H_
#define FEDERITY_CLIENT_TRAINER_OUTPUTS_H_

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "federity/worker/v1/worker.pb.h"

namespace federity::trainer {

// Lets the child write beside the paths that a request names and puts the files
// in place only after it succeeded; what is left otherwise is removed. Not
// thread-safe.
class Outputs {
 public:
  // Makes every path of `request` absolute and its output paths temporary.
  explicit Outputs(worker::v1::Request& request);
  Outputs(const Outputs&) = delete;
  Outputs& operator=(const Outputs&) = delete;
  ~Outputs();

  // Renames all; durable when it returns OK (the child has synced the bytes).
  absl::Status Commit();

 private:
  void Redirect(std::string* path);

  std::vector<std::pair<std::filesystem::path, std::filesystem::path>> files_;  // temporary, final
};

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_OUTPUTS_H_
