#ifndef FEDERITY_CLIENT_AGENT_CONTROL_SOCKET_H_
#define FEDERITY_CLIENT_AGENT_CONTROL_SOCKET_H_

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/state/agent_state.h"
#include "common/base/files.h"

namespace federity::agent {

// Between the program and its daemon: a unix socket in the state directory
// (0600). A request and a response a connection, each a 4-byte big-endian length
// and as many bytes of JSON:
//   {"command": "dataset add", "arguments": {…}}
//   {"result": {…}} or {"error": {"code": 5, "message": "…"}}
inline constexpr size_t kMaxControlRequest = 64 << 10;
inline constexpr size_t kMaxControlResponse = 64 << 20;

// The daemon's end. Answers the user that it runs as and root, nobody else.
// Commands run in threads of their own, at most kMaxConnections at once.
// Thread-safe.
class ControlServer {
 public:
  static constexpr size_t kMaxConnections = 8;
  // Must be thread-safe.
  using Handler = std::function<absl::StatusOr<nlohmann::json>(std::string_view command,
                                                               const nlohmann::json& arguments)>;

  // REQUIRES: the caller holds paths.lock(); a socket that lies there is stale.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Start(const state::Paths& paths,
                                                              Handler handler);
  // Takes no more requests and waits for those that run.
  ~ControlServer();

 private:
  struct Connection {
    FileDescriptor socket;
    std::atomic<bool> done = false;
    std::thread thread;
  };

  ControlServer(FileDescriptor listener, FileDescriptor wake, std::filesystem::path path,
                Handler handler);
  void AcceptLoop();
  void Serve(int socket);
  absl::StatusOr<nlohmann::json> Answer(int socket);
  void Reap(bool all);

  const FileDescriptor listener_;
  const FileDescriptor wake_;
  const std::filesystem::path path_;
  const Handler handler_;
  std::list<Connection> connections_;  // of the accepting thread
  std::thread thread_;
};

// The program's end: sends a command to the daemon. Nothing: no daemon runs.
std::optional<absl::StatusOr<nlohmann::json>> CallDaemon(const state::Paths& paths,
                                                         std::string_view command,
                                                         const nlohmann::json& arguments);

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_CONTROL_SOCKET_H_
