#ifndef FEDERITY_COMMON_BASE_ALLOCATOR_H_
#define FEDERITY_COMMON_BASE_ALLOCATOR_H_

namespace federity {

// Lets malloc keep freed memory instead of giving it back: large buffers that
// come and go (gRPC's, tensors) otherwise cost a page fault per 4 KiB each
// time. Call first in every main(), before any thread.
void TuneAllocator();

}  // namespace federity

#endif  // FEDERITY_COMMON_BASE_ALLOCATOR_H_
