// federity-trainer: the sandboxed child of federity-agent and federity. Not
// started by people.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "client/trainer/worker/torch_runtime.h"
#include "client/trainer/worker/worker.h"
#include "common/base/allocator.h"
#include "common/base/version.h"

int main(int argc, char** argv) {
  constexpr int kSocket = 3;
  federity::TuneAllocator();
  if (argc > 1 && std::string_view(argv[1]) == "--version") {
    std::printf("federity-trainer %.*s (LibTorch %s)\n",
                static_cast<int>(federity::kVersion.size()), federity::kVersion.data(),
                federity::trainer::LibTorchVersion().c_str());
    return 0;
  }
  struct stat status = {};
  if (argc > 1 || fstat(kSocket, &status) != 0 || !S_ISSOCK(status.st_mode)) {
    std::fputs("federity-trainer is started by federity-agent and federity, not by hand.\n",
               stderr);
    return 2;
  }
  _exit(federity::trainer::RunWorker(kSocket, {}));
}
