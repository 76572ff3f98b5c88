#include "client/trainer/supervisor.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "client/trainer/child_process.h"
#include "client/trainer/failure.h"
#include "client/trainer/frames.h"
#include "client/trainer/outputs.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::trainer {
namespace {

namespace v1 = worker::v1;

constexpr std::string_view kProgramName = "federity-trainer";
constexpr size_t kMaxErrorText = 4096;  // of the child's standard error, its end
constexpr absl::Duration kPoll = absl::Milliseconds(200);
constexpr absl::Duration kExitPatience = absl::Seconds(10);

absl::StatusOr<std::filesystem::path> FindProgram(const std::filesystem::path& given) {
  std::vector<std::filesystem::path> candidates;
  if (!given.empty()) {
    candidates.push_back(given);
  } else {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    if (!error) {
      candidates.push_back(self.parent_path() / kProgramName);
      candidates.push_back(self.parent_path() / "../lib/federity" / kProgramName);
    }
    const char* path = std::getenv("PATH");
    for (const std::string& folder :
         std::vector<std::string>(absl::StrSplit(path != nullptr ? path : "", ':'))) {
      if (!folder.empty()) candidates.push_back(std::filesystem::path(folder) / kProgramName);
    }
  }
  for (const auto& candidate : candidates) {
    if (access(candidate.c_str(), X_OK) == 0) return std::filesystem::absolute(candidate);
  }
  return Failure(kInternal,
                 StrCat("the program ", given.empty() ? kProgramName : given.string(),
                        " was not found; it comes with the agent (package federity-agent)"));
}

int32_t CpusOf(const v1::Request& request) {
  const int32_t cpus = request.has_train()      ? request.train().resources().cpus()
                       : request.has_evaluate() ? request.evaluate().resources().cpus()
                                                : 1;
  return std::clamp(cpus, 1, 1024);
}

// Nothing of the parent's environment reaches the child but what tells LibTorch
// how to find libraries and devices. OpenBLAS reads its thread count when it is
// loaded, and its own threads fight with OpenMP's; those sleep while they wait,
// since a workstation has other work (spinning costs a factor of ten then).
std::vector<std::string> ChildEnvironment(int32_t cpus) {
  std::vector<std::string> environment = {"LC_ALL=C.UTF-8",
                                          "PATH=/usr/bin:/bin",
                                          "OPENBLAS_NUM_THREADS=1",
                                          StrCat("OMP_NUM_THREADS=", cpus),
                                          StrCat("MKL_NUM_THREADS=", cpus),
                                          "OMP_WAIT_POLICY=PASSIVE"};
  for (const char* name :
       {"LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "ATEN_CPU_CAPABILITY",
        "CUDA_VISIBLE_DEVICES", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) {
      environment.push_back(StrCat(name, "=", value));
    }
  }
  return environment;
}

// The end of what the child wrote to standard error, printable.
class ErrorText {
 public:
  void Drain(int pipe) {
    std::array<char, 4096> buffer;
    ssize_t n = 0;
    while ((n = read(pipe, buffer.data(), buffer.size())) > 0) {
      text_.append(buffer.data(), static_cast<size_t>(n));
      if (text_.size() > kMaxErrorText) text_.erase(0, text_.size() - kMaxErrorText);
    }
    closed_ = n == 0;
  }
  bool closed() const { return closed_; }
  std::string Printable() const {
    std::string out;
    for (const char c : text_) out.push_back(c >= ' ' && c <= '~' ? c : ' ');
    const size_t from = out.size() > 600 ? out.size() - 600 : 0;
    return out.substr(from);
  }

 private:
  std::string text_;
  bool closed_ = false;
};

// One job in one child.
class Conversation {
 public:
  Conversation(ChildProcess& child, const JobOptions& options)
      : child_(child), options_(options), deadline_(absl::Now() + options.time_limit) {}

  absl::StatusOr<v1::Result> Run(const v1::Request& request);

 private:
  // One turn; a status other than OK ends the job and the child.
  absl::Status Turn();
  absl::Status ReadSocket();
  absl::Status Handle(v1::Response& response);
  absl::StatusOr<v1::Result> Conclude(const absl::Status& broken);
  std::string WithErrorText(std::string message) const;

  ChildProcess& child_;
  const JobOptions& options_;
  const absl::Time deadline_;
  FrameBuffer frames_;
  ErrorText error_text_;
  std::optional<v1::Result> result_;
  std::optional<absl::Status> failure_;
  bool ended_ = false;  // the child closed its socket
};

absl::StatusOr<v1::Result> Conversation::Run(const v1::Request& request) {
  // A child that is gone already shows below, with its status.
  ended_ = !WriteFrame(child_.socket(), request).ok();
  absl::Status broken;
  while (broken.ok() && !ended_) broken = Turn();
  return Conclude(broken);
}

absl::Status Conversation::Turn() {
  if (options_.cancelled && options_.cancelled()) return absl::CancelledError("cancelled");
  const absl::Duration left = deadline_ - absl::Now();
  if (left <= absl::ZeroDuration()) {
    return absl::DeadlineExceededError(StrCat("the trainer was stopped after its time limit of ",
                                              absl::FormatDuration(options_.time_limit)));
  }
  std::array<pollfd, 2> polled = {pollfd{child_.socket(), POLLIN, 0},
                                  pollfd{child_.error_pipe(), POLLIN, 0}};
  const nfds_t count = error_text_.closed() ? 1 : 2;
  const absl::Duration wait = std::min(left, kPoll);
  if (poll(polled.data(), count, static_cast<int>(absl::ToInt64Milliseconds(wait)) + 1) < 0 &&
      errno != EINTR) {
    return absl::ErrnoToStatus(errno, "waiting for the trainer");
  }
  if (count == 2 && polled[1].revents != 0) error_text_.Drain(child_.error_pipe());
  return polled[0].revents != 0 ? ReadSocket() : absl::OkStatus();
}

absl::Status Conversation::ReadSocket() {
  std::array<char, 65536> buffer;
  const ssize_t n = recv(child_.socket(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n == 0 || (n < 0 && errno == ECONNRESET)) {
    ended_ = true;
    return absl::OkStatus();
  }
  if (n < 0) {
    if (errno == EAGAIN || errno == EINTR) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, "reading from the trainer");
  }
  frames_.Append({buffer.data(), static_cast<size_t>(n)});
  while (true) {
    v1::Response response;
    FEDERITY_ASSIGN_OR_RETURN(const bool complete, frames_.Next(response));
    if (!complete) return absl::OkStatus();
    FEDERITY_RETURN_IF_ERROR(Handle(response));
  }
}

absl::Status Conversation::Handle(v1::Response& response) {
  switch (response.event_case()) {
    case v1::Response::kStarted:
      if (options_.on_started) options_.on_started(response.started());
      return absl::OkStatus();
    case v1::Response::kProgress:
      if (options_.on_progress) options_.on_progress(response.progress());
      return absl::OkStatus();
    case v1::Response::kResult:
      result_ = std::move(*response.mutable_result());
      return absl::OkStatus();
    case v1::Response::kFailure:
      failure_ = Failure(response.failure().reason(), response.failure().message());
      return absl::OkStatus();
    case v1::Response::EVENT_NOT_SET:
      break;
  }
  return absl::InternalError("the trainer sent an empty message");
}

std::string Conversation::WithErrorText(std::string message) const {
  const std::string text = error_text_.Printable();
  if (!text.empty()) absl::StrAppend(&message, "; its last words: ", text);
  return message;
}

absl::StatusOr<v1::Result> Conversation::Conclude(const absl::Status& broken) {
  if (!broken.ok()) child_.Kill();
  const int status = child_.Reap(kExitPatience);
  error_text_.Drain(child_.error_pipe());
  if (absl::IsCancelled(broken) || absl::IsDeadlineExceeded(broken)) return broken;
  if (!broken.ok()) return Failure(kInternal, WithErrorText(std::string(broken.message())));
  if (failure_) return *failure_;
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    if (number == SIGXCPU) {
      return absl::DeadlineExceededError("the trainer used up its processor time");
    }
    return Failure(kInternal,
                   WithErrorText(StrCat(
                       "the trainer was ended by signal ", number, " (", strsignal(number), ")",
                       number == SIGKILL ? "; perhaps the machine ran out of memory" : "")));
  }
  if (WEXITSTATUS(status) != 0) {
    return Failure(kInternal,
                   WithErrorText(StrCat("the trainer ended with status ", WEXITSTATUS(status))));
  }
  if (!result_) return Failure(kInternal, WithErrorText("the trainer ended without a result"));
  return *std::move(result_);
}

}  // namespace

absl::StatusOr<v1::Result> RunJob(const v1::Request& request, const JobOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const std::filesystem::path program, FindProgram(options.program));
  v1::Request own = request;
  Outputs outputs(own);
  const int32_t cpus = CpusOf(own);
  // The parent's clock ends the child; this is for a parent that was stopped.
  FEDERITY_ASSIGN_OR_RETURN(
      const std::unique_ptr<ChildProcess> child,
      ChildProcess::Start({.program = program,
                           .environment = ChildEnvironment(cpus),
                           .cpu_time = options.time_limit * cpus + absl::Minutes(1)}));
  Conversation conversation(*child, options);
  FEDERITY_ASSIGN_OR_RETURN(v1::Result result, conversation.Run(own));
  FEDERITY_RETURN_IF_ERROR(outputs.Commit());
  return result;
}

}  // namespace federity::trainer
