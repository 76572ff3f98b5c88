#include "common/base/allocator.h"

#include <malloc.h>

namespace federity {

void TuneAllocator() {
#ifdef __GLIBC__
  // Measured: streaming over gRPC 0.19 → 1.7 GB/s where a page fault costs
  // 11 µs; on other machines the gain is smaller.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2'000'000'000);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

}  // namespace federity
