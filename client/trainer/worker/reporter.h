#ifndef FEDERITY_CLIENT_TRAINER_WORKER_REPORTER_H_
#define FEDERITY_CLIENT_TRAINER_WORKER_REPORTER_H_

#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "federity/worker/v1/worker.pb.h"

namespace federity::trainer {

// Sends the child's messages. Progress is sent ten times a second at most. When
// the parent is gone the process ends. Not thread-safe.
class Reporter {
 public:
  explicit Reporter(int socket) : socket_(socket) {}
  void Started(const worker::v1::Started& started);
  void Progress(std::string_view phase, double fraction, double loss);
  void Result(const worker::v1::Result& result);
  void Failure(const absl::Status& status);

 private:
  void Send(const worker::v1::Response& response);

  int socket_;
  std::string phase_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_WORKER_REPORTER_H_
