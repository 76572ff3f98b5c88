#ifndef FEDERITY_CLIENT_AGENT_SESSION_H_
#define FEDERITY_CLIENT_AGENT_SESSION_H_

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "client/agent/context.h"
#include "common/base/files.h"

namespace federity::agent {

// An open state directory with all that works on it. Thread-compatible; what
// context() gives is thread-safe.
class Session {
 public:
  struct Options {
    Config config;  // state_dir is set
    RunJob run_job;
    bool exclusive = true;  // false: reads only
    bool create = false;    // make a state directory that is missing
  };
  //   NOT_FOUND            no agent's state there; the message says what to do
  //   FAILED_PRECONDITION  another process works on it; the message names its pid
  //   DATA_LOSS            the state file is damaged; the message has the remedy
  static absl::StatusOr<std::unique_ptr<Session>> Open(Options options);

  Context& context() { return *context_; }

 private:
  Session() = default;

  FileDescriptor lock_;
  std::unique_ptr<identity::IdentityStore> identities_;
  std::unique_ptr<state::AgentState> state_;
  std::unique_ptr<state::Outbox> outbox_;
  std::unique_ptr<state::Journal> journal_;
  std::optional<Context> context_;
};

// As root, becomes the user that the state directory belongs to, so that what a
// command writes is the daemon's. Nothing to do for others, for a directory that
// is missing or root's own.
absl::Status BecomeOwnerOf(const std::filesystem::path& directory);

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_SESSION_H_
