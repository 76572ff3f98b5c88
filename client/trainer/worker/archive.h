#ifndef FEDERITY_CLIENT_TRAINER_WORKER_ARCHIVE_H_
#define FEDERITY_CLIENT_TRAINER_WORKER_ARCHIVE_H_

#include <caffe2/serialize/read_adapter_interface.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace federity::trainer {

// A TorchScript archive as the zip file that it is, before LibTorch makes a module
// of it. Thread-compatible.
using ArchiveSource = caffe2::serialize::ReadAdapterInterface;
std::shared_ptr<ArchiveSource> ArchiveInFile(int fd);  // which must stay open
std::shared_ptr<ArchiveSource> ArchiveInMemory(std::string_view bytes);  // which must stay

// Looks at the records; runs nothing of them. Who wrote the archive, in words.
// MODEL_UNREADABLE if it is none, or holds no TorchScript; with `check_code`
// MODEL_REFUSED if it brings what runs while it is loaded.
absl::StatusOr<std::string> InspectArchive(const std::shared_ptr<ArchiveSource>& source,
                                           bool check_code);

// A copy without what differs between two savings of the same code: debug
// information (paths and lines of Python files) and identifiers. Throws c10::Error.
std::string CanonicalArchive(const std::string& archive);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_WORKER_ARCHIVE_H_
