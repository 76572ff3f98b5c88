#include "client/trainer/worker/reporter.h"

#include <unistd.h>

#include "client/trainer/failure.h"
#include "client/trainer/frames.h"

namespace federity::trainer {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(100);

}  // namespace

void Reporter::Send(const worker::v1::Response& response) {
  if (!WriteFrame(socket_, response).ok()) _exit(1);
}

void Reporter::Started(const worker::v1::Started& started) {
  worker::v1::Response response;
  *response.mutable_started() = started;
  Send(response);
}

void Reporter::Progress(std::string_view phase, double fraction, double loss) {
  const auto now = std::chrono::steady_clock::now();
  if (phase == phase_ && now - last_ < kInterval) return;
  phase_ = phase;
  last_ = now;
  worker::v1::Response response;
  auto& progress = *response.mutable_progress();
  progress.set_phase(phase_);
  progress.set_fraction(fraction);
  progress.set_loss(loss);
  Send(response);
}

void Reporter::Result(const worker::v1::Result& result) {
  worker::v1::Response response;
  *response.mutable_result() = result;
  Send(response);
}

void Reporter::Failure(const absl::Status& status) {
  worker::v1::Response response;
  auto& failure = *response.mutable_failure();
  failure.set_reason(FailureReason(status));
  failure.set_message(std::string(status.message()));
  Send(response);
}

}  // namespace federity::trainer
