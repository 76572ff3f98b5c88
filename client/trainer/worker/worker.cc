#include "client/trainer/worker/worker.h"

#include <sys/prctl.h>
#include <unistd.h>

#ifdef FEDERITY_SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "client/trainer/failure.h"
#include "client/trainer/frames.h"
#include "client/trainer/sandbox/sandbox.h"
#include "client/trainer/worker/data_thread.h"
#include "client/trainer/worker/jobs.h"
#include "client/trainer/worker/reporter.h"
#include "client/trainer/worker/torch_runtime.h"
#include "common/base/status_macros.h"

namespace federity::trainer {
namespace {

namespace v1 = worker::v1;

v1::Resources ResourcesOf(const v1::Request& request) {
  if (request.has_train()) return request.train().resources();
  if (request.has_evaluate()) return request.evaluate().resources();
  return {};
}

// CUDA only for what calculates, if a driver is there and nobody said "cpu".
sandbox::Profile ProfileFor(const v1::Request& request) {
  const bool calculates = request.has_train() || request.has_evaluate();
  const bool wanted = calculates && ResourcesOf(request).device() != "cpu";
  const bool driver = access("/dev/nvidiactl", F_OK) == 0;
  return wanted && driver ? sandbox::Profile::kCuda : sandbox::Profile::kCpu;
}

// Two stages. LibTorch must start threads and read its libraries after the
// namespaces (which want one thread) and before the filter of system calls.
// The thread that reads image folders parts before the others lose sight of them.
absl::StatusOr<v1::Started> CloseSandbox(const v1::Request& request, const JobFiles& files,
                                         TorchDevice& device, std::optional<DataThread>& data) {
  std::vector<sandbox::Layer> layers;
  sandbox::Profile profile = ProfileFor(request);
  const v1::Resources resources = ResourcesOf(request);
  std::vector<std::filesystem::path> starting = sandbox::SystemLibraryPaths();
  starting.push_back(LibTorchFolder());

  layers.push_back(sandbox::ForbidNewPrivileges());
  layers.push_back(sandbox::EnterNamespaces());
  // A change of credentials may have cleared it.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  data.emplace(files.Folders());
  sandbox::RestrictFiles(starting, profile);

  const std::string wanted = profile == sandbox::Profile::kCpu && resources.device() != "cuda"
                                 ? "cpu"
                                 : resources.device();
  FEDERITY_ASSIGN_OR_RETURN(device, StartTorch(std::clamp(resources.cpus(), 1, 1024), wanted));
  if (!device.cuda) profile = sandbox::Profile::kCpu;

  layers.push_back(sandbox::RestrictFiles({}, profile));
  layers.push_back(sandbox::LimitResources({.memory_bytes = resources.memory_bytes()}, profile));
  layers.push_back(sandbox::FilterSystemCalls(profile));

  v1::Started started;
  for (const sandbox::Layer& layer : layers) started.add_layers(layer.ToString());
  started.set_device(device.name);
  started.set_libtorch_version(LibTorchVersion());
  return started;
}

absl::StatusOr<v1::Result> Work(const v1::Request& request, const Model::LoadOptions& options,
                                Reporter& reporter) {
  FEDERITY_ASSIGN_OR_RETURN(const JobFiles files, OpenJobFiles(request));
  TorchDevice device;
  std::optional<DataThread> data;
  FEDERITY_ASSIGN_OR_RETURN(const v1::Started started, CloseSandbox(request, files, device, data));
  reporter.Started(started);
  return RunRequestedJob({.request = request,
                          .files = files,
                          .reporter = reporter,
                          .data = *data,
                          .load_options = options,
                          .cuda = device.cuda});
}

}  // namespace

int RunWorker(int socket, const Model::LoadOptions& options) {
#ifdef FEDERITY_SANITIZED
  // The sandbox lets it open no file for its reports.
  __sanitizer_set_report_fd(reinterpret_cast<void*>(STDERR_FILENO));
#endif
  v1::Request request;
  if (!ReadFrame(socket, request).ok()) return 2;
  Reporter reporter(socket);
  absl::StatusOr<v1::Result> result;
  try {
    result = Work(request, options, reporter);
  } catch (const std::bad_alloc&) {  // while reading data
    result = Failure(kOutOfMemory, "the memory limit was reached while reading the data");
  } catch (const std::exception& error) {
    result = Failure(kInternal, error.what());
  }
  if (result.ok()) {
    reporter.Result(*result);
  } else {
    reporter.Failure(result.status());
  }
  return 0;
}

}  // namespace federity::trainer
