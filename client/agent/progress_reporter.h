#ifndef FEDERITY_CLIENT_AGENT_PROGRESS_REPORTER_H_
#define FEDERITY_CLIENT_AGENT_PROGRESS_REPORTER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/identity/identity_store.h"
#include "federity/v1/contributions.pb.h"

namespace federity::agent {

// Tells coordinators where contributions stand, from a thread of its own, so
// that a long download or training never looks dead: about once a second when
// something changed, else every 15 s (the coordinator gives up after 60 s). The
// answer says whether the contribution is still wanted. Thread-safe.
class ProgressReporter {
 public:
  // Called from the reporter's thread when a contribution is no longer wanted;
  // it is then no longer tracked.
  using Unwanted = std::function<void(const std::string& contribution, const std::string& reason)>;

  // `identities` must outlive it.
  ProgressReporter(identity::IdentityStore& identities, Unwanted unwanted);
  ~ProgressReporter();

  struct Progress {
    v1::ContributionPhase phase = v1::CONTRIBUTION_PHASE_DOWNLOADING;
    double fraction = 0;
  };
  // Begins, or goes on, to report on a contribution of this membership.
  void Track(std::string_view contribution, std::string_view identity);
  // Does nothing for one that is not tracked.
  void Set(std::string_view contribution, v1::ContributionPhase phase, double fraction);
  void Untrack(std::string_view contribution);
  std::optional<Progress> Get(std::string_view contribution) const;

 private:
  struct Tracked {
    std::string identity;
    Progress progress;
    Progress reported;
    absl::Time report_time = absl::InfinitePast();
  };
  struct Due {
    std::string contribution;
    std::string identity;
    Progress progress;
  };

  void Loop();
  std::optional<Due> NextDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Report(const Due& due);

  identity::IdentityStore& identities_;
  const Unwanted unwanted_;
  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Tracked, std::less<>> tracked_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_PROGRESS_REPORTER_H_
