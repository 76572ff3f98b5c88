// Shows that ThreadSanitizer sees a race, and sees that Abseil's locks prevent
// one: `probe guarded` is clean, `probe racy` is not.
#include <cstring>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace {

struct Shared {
  absl::Mutex mutex;
  int guarded ABSL_GUARDED_BY(mutex) = 0;
  int racy = 0;
};

void Count(Shared& shared, bool racy) {
  if (racy) ++shared.racy;
  absl::MutexLock lock(&shared.mutex);
  ++shared.guarded;
  const auto both = [&shared]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(shared.mutex) {
    return shared.guarded >= 2;
  };
  shared.mutex.Await(absl::Condition(&both));
  ++shared.guarded;
}

}  // namespace

int main(int argc, char** argv) {
  const bool racy = argc > 1 && std::strcmp(argv[1], "racy") == 0;
  Shared shared;
  std::thread other([&] { Count(shared, racy); });
  Count(shared, racy);
  other.join();
  return 0;
}
