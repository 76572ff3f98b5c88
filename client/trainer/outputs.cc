#include "client/trainer/outputs.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::trainer {
namespace {

void MakeAbsolute(std::string* path) {
  if (path->empty()) return;
  std::error_code ignored;  // a path that can't be resolved fails when it is opened
  const std::filesystem::path absolute = std::filesystem::absolute(*path, ignored);
  if (!ignored) *path = absolute.string();
}

void MakeAbsolute(worker::v1::Dataset& dataset) {
  MakeAbsolute(dataset.mutable_path());
  MakeAbsolute(dataset.mutable_labels_path());
}

}  // namespace

Outputs::Outputs(worker::v1::Request& request) {
  if (request.has_split()) {
    auto& job = *request.mutable_split();
    MakeAbsolute(job.mutable_model_path());
    Redirect(job.mutable_program_path());
    Redirect(job.mutable_weights_path());
  } else if (request.has_join()) {
    auto& job = *request.mutable_join();
    MakeAbsolute(job.mutable_program_path());
    MakeAbsolute(job.mutable_weights_path());
    Redirect(job.mutable_model_path());
  } else if (request.has_train()) {
    auto& job = *request.mutable_train();
    MakeAbsolute(job.mutable_program_path());
    MakeAbsolute(job.mutable_weights_path());
    for (auto& dataset : *job.mutable_datasets()) MakeAbsolute(dataset);
    Redirect(job.mutable_delta_path());
    Redirect(job.mutable_trained_weights_path());
  } else if (request.has_evaluate()) {
    auto& job = *request.mutable_evaluate();
    MakeAbsolute(job.mutable_program_path());
    MakeAbsolute(job.mutable_weights_path());
    for (auto& dataset : *job.mutable_datasets()) MakeAbsolute(dataset);
  } else if (request.has_check_data()) {
    MakeAbsolute(*request.mutable_check_data()->mutable_dataset());
  } else if (request.has_sums()) {
    for (auto& dataset : *request.mutable_sums()->mutable_datasets()) MakeAbsolute(dataset);
  }
}

void Outputs::Redirect(std::string* path) {
  static std::atomic<uint64_t> counter{0};
  if (path->empty()) return;
  MakeAbsolute(path);
  std::string temporary = StrCat(*path, ".partial-", getpid(), "-", ++counter);
  files_.emplace_back(temporary, std::exchange(*path, temporary));
}

Outputs::~Outputs() {
  std::error_code ignored;
  for (const auto& [temporary, final] : files_) std::filesystem::remove(temporary, ignored);
}

absl::Status Outputs::Commit() {
  for (const auto& [temporary, final] : files_) {
    if (rename(temporary.c_str(), final.c_str()) != 0) return ErrnoStatus(errno, final.string());
    FEDERITY_RETURN_IF_ERROR(SyncDirectory(final.parent_path()));
  }
  files_.clear();
  return absl::OkStatus();
}

}  // namespace federity::trainer
