#ifndef FEDERITY_SERVER_APP_APP_H_
#define FEDERITY_SERVER_APP_APP_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "server/app/config.h"

namespace federity::app {

// The coordinator, put together: the only place that knows configuration and
// concrete types. Start, serve, Drain. Thread-compatible.
class App {
 public:
  // Takes the lock of the data directory, brings up database, keys, CA, services
  // and port, in this order, and returns once it serves. DIR/port and
  // DIR/address then say where. `config` must be complete; `clock` outlives it.
  static absl::StatusOr<std::unique_ptr<App>> Start(ServerConfig config, const Clock& clock);
  virtual ~App() = default;  // drains

  // "host:port" that links name.
  virtual const std::string& public_address() const = 0;
  virtual int port() const = 0;
  // The link by which the first administrator joins, while there is none.
  virtual const std::optional<std::string>& administrator_link() const = 0;

  // Takes no new work, ends streams, lets calls finish for config.drain at most,
  // stops the embedded database. Once.
  virtual absl::Status Drain() = 0;
};

// A further administrator link, or one for an owner of `organization` where that is
// given, whether the coordinator runs or not. `config` must be complete; without a
// public address the one of the last run is used. An owner's link needs the key
// file: who has it reads the models anyway.
absl::StatusOr<std::string> MakeLink(const ServerConfig& config, const std::string& organization,
                                     const Clock& clock);

}  // namespace federity::app

#endif  // FEDERITY_SERVER_APP_APP_H_
