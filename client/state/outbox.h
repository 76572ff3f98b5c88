#ifndef FEDERITY_CLIENT_STATE_OUTBOX_H_
#define FEDERITY_CLIENT_STATE_OUTBOX_H_

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/state/records.h"

namespace federity::state {

// Trained updates that the coordinator does not have yet. An entry is a folder
// with the delta and a record; the record is written last and removed first, so
// that after a crash an entry is there as a whole or not at all. Thread-safe.
class Outbox {
 public:
  // Reads what a previous process left.
  static absl::StatusOr<std::unique_ptr<Outbox>> Open(std::filesystem::path directory);

  std::vector<OutboxEntry> List() const;
  std::optional<OutboxEntry> Find(std::string_view contribution) const;
  // Moves `delta_file` (same file system) in; durable when it returns.
  absl::Status Add(const OutboxEntry& entry, const std::filesystem::path& delta_file);
  // Replaces the record of an entry; durable when it returns. NOT_FOUND if it
  // was removed meanwhile.
  absl::Status Update(const OutboxEntry& entry);
  absl::Status Remove(std::string_view contribution);
  std::filesystem::path DeltaPath(std::string_view contribution) const;
  // Removes what is no entry: what a crash left, and damaged records and deltas,
  // of which it returns one line each. For the only process at work.
  std::vector<std::string> RemoveLeftOvers();

 private:
  explicit Outbox(std::filesystem::path directory) : directory_(std::move(directory)) {}
  std::filesystem::path FolderOf(std::string_view contribution) const;
  absl::StatusOr<std::vector<std::filesystem::path>> Folders() const;
  absl::Status Load();
  absl::Status WriteRecord(const OutboxEntry& entry);
  // DATA_LOSS unless the delta is the one that was added.
  absl::Status CheckDelta(const OutboxEntry& entry) const;

  const std::filesystem::path directory_;
  mutable absl::Mutex mutex_;
  std::map<std::string, OutboxEntry, std::less<>> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace federity::state

#endif  // FEDERITY_CLIENT_STATE_OUTBOX_H_
