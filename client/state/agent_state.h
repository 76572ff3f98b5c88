#ifndef FEDERITY_CLIENT_STATE_AGENT_STATE_H_
#define FEDERITY_CLIENT_STATE_AGENT_STATE_H_

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/state/records.h"

namespace federity::state {

// The places in an agent's state directory.
struct Paths {
  std::filesystem::path directory;
  std::filesystem::path lock() const { return directory / "lock"; }
  std::filesystem::path socket() const { return directory / "agent.sock"; }
  std::filesystem::path state() const { return directory / "state.json"; }
  std::filesystem::path outbox() const { return directory / "outbox"; }
  std::filesystem::path cache() const { return directory / "cache"; }
  std::filesystem::path work() const { return directory / "work"; }
  std::filesystem::path journal() const { return directory / "journal.log"; }
};

// All memberships' settings, in memory and in one file that is replaced
// atomically: a change is durable before Update returns, and a failed one
// changes nothing. One process at a time writes (Paths::lock). Thread-safe.
class AgentState {
 public:
  // A missing file is an empty state. DATA_LOSS, with the remedy, for one that
  // does not read.
  static absl::StatusOr<std::unique_ptr<AgentState>> Open(const std::filesystem::path& file);

  std::vector<Membership> Memberships() const;
  // The settings of one membership; defaults with this id if there are none.
  Membership Get(std::string_view id) const;
  // Changes them, making them if need be. An error of `change` is returned and
  // nothing is changed.
  absl::Status Update(std::string_view id, absl::FunctionRef<absl::Status(Membership&)> change);
  absl::Status Remove(std::string_view id);
  // The whole agent.
  bool paused() const;
  absl::Status SetPaused(bool paused);
  // Called after every change, outside the lock; at most one. Empty: none.
  void OnChange(std::function<void()> listener);

 private:
  struct Content {
    bool paused = false;
    std::map<std::string, Membership, std::less<>> memberships;
  };

  AgentState(std::filesystem::path file, Content content)
      : file_(std::move(file)), content_(std::move(content)) {}
  static absl::StatusOr<Content> Parse(std::string_view text);
  absl::Status Change(absl::FunctionRef<absl::Status(Content&)> change);

  const std::filesystem::path file_;
  mutable absl::Mutex mutex_;
  Content content_ ABSL_GUARDED_BY(mutex_);
  absl::Mutex listener_mutex_;
  std::function<void()> listener_ ABSL_GUARDED_BY(listener_mutex_);
};

}  // namespace federity::state

#endif  // FEDERITY_CLIENT_STATE_AGENT_STATE_H_
