#ifndef FEDERITY_CLIENT_TRAINER_WORKER_JOBS_H_
#define FEDERITY_CLIENT_TRAINER_WORKER_JOBS_H_

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/trainer/data/readers.h"
#include "client/trainer/worker/data_thread.h"
#include "client/trainer/worker/model.h"
#include "client/trainer/worker/reporter.h"
#include "common/base/files.h"
#include "federity/worker/v1/worker.pb.h"

namespace federity::trainer {

// The files of a request, opened before the sandbox closes. Image folders are
// read later, through it.
struct JobFiles {
  FileDescriptor model;    // Split: read. Join: written
  FileDescriptor program;  // Split: written, else read
  FileDescriptor weights;  // Split: written, else read
  FileDescriptor delta;
  FileDescriptor trained_weights;
  std::vector<DataSource> sources;

  // Every image folder.
  std::vector<std::filesystem::path> Folders() const;
};
// MODEL_UNREADABLE, DATA_INVALID or INTERNAL naming the path.
absl::StatusOr<JobFiles> OpenJobFiles(const worker::v1::Request& request);

struct JobContext {
  const worker::v1::Request& request;
  const JobFiles& files;
  Reporter& reporter;
  DataThread& data;
  Model::LoadOptions load_options;
  bool cuda = false;
};
// Runs the request's job inside the closed sandbox.
absl::StatusOr<worker::v1::Result> RunRequestedJob(const JobContext& context);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_WORKER_JOBS_H_
