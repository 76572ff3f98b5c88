// Tells ThreadSanitizer about absl::Mutex. The distribution's Abseil is not
// instrumented, so its locks order nothing in TSan's eyes and every guarded
// variable looks like a race. The functions below come before the library's in
// symbol look-up (the program exports them, see cmake/Sanitizers.cmake): each
// calls the library's between the annotations. gRPC's locks are Abseil's, so
// they are seen too.
//
// Between pre_ and post_ TSan ignores what the thread does; the conditions that
// Abseil evaluates there, for the calling or another thread, are not checked.
// Functions with a timeout call those with a deadline, within the library, by
// the same look-up.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <type_traits>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

extern "C" const char __executable_start, etext;  // from the linker

namespace {

constexpr unsigned kRead = __tsan_mutex_read_lock;
constexpr unsigned kTry = __tsan_mutex_try_lock;

// The mangled name of one of our functions.
std::string NameOf(void* own) {
  Dl_info info;
  return dladdr(own, &info) != 0 && info.dli_sname != nullptr ? info.dli_sname : "";
}

// The library's function of that name.
void* Next(const std::string& name) {
  void* next = dlsym(RTLD_NEXT, name.c_str());
  if (next == nullptr) {
    std::fprintf(stderr, "tsan_abseil: Abseil has no function '%s'\n", name.c_str());
    std::abort();
  }
  return next;
}

template <typename Function, typename Method>
Function* Original(Method method) {
  return reinterpret_cast<Function*>(Next(NameOf(reinterpret_cast<void*>(method))));
}

// A destructor has no address; its name is built from another's.
void* OriginalDestructor() {
  std::string name = NameOf(reinterpret_cast<void*>(&absl::Mutex::Lock));
  name.replace(name.rfind("4LockEv"), std::string::npos, "D1Ev");
  return Next(name);
}

template <typename Call>
auto Locking(absl::Mutex* mutex, unsigned flags, Call call) {
  __tsan_mutex_pre_lock(mutex, flags);
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    __tsan_mutex_post_lock(mutex, flags, 0);
  } else {
    const bool result = call();
    const bool failed = (flags & kTry) != 0 && !result;
    __tsan_mutex_post_lock(mutex, failed ? flags | __tsan_mutex_try_lock_failed : flags, 0);
    return result;
  }
}

template <typename Call>
void Unlocking(absl::Mutex* mutex, unsigned flags, Call call) {
  __tsan_mutex_pre_unlock(mutex, flags);
  call();
  __tsan_mutex_post_unlock(mutex, flags);
}

// Gives the lock up and takes it again. Nobody here waits under a reader's lock.
template <typename Call>
auto Waiting(absl::Mutex* mutex, Call call) {
  Unlocking(mutex, 0, [] {});
  return Locking(mutex, 0, call);
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static auto* const original = Original<void(Mutex*)>(&Mutex::Lock);
  Locking(this, 0, [&] { original(this); });
}

void Mutex::Unlock() {
  static auto* const original = Original<void(Mutex*)>(&Mutex::Unlock);
  Unlocking(this, 0, [&] { original(this); });
}

bool Mutex::TryLock() {
  static auto* const original = Original<bool(Mutex*)>(&Mutex::TryLock);
  return Locking(this, kTry, [&] { return original(this); });
}

void Mutex::ReaderLock() {
  static auto* const original = Original<void(Mutex*)>(&Mutex::ReaderLock);
  Locking(this, kRead, [&] { original(this); });
}

void Mutex::ReaderUnlock() {
  static auto* const original = Original<void(Mutex*)>(&Mutex::ReaderUnlock);
  Unlocking(this, kRead, [&] { original(this); });
}

bool Mutex::ReaderTryLock() {
  static auto* const original = Original<bool(Mutex*)>(&Mutex::ReaderTryLock);
  return Locking(this, kRead | kTry, [&] { return original(this); });
}

void Mutex::LockWhen(const Condition& condition) {
  static auto* const original = Original<void(Mutex*, const Condition&)>(&Mutex::LockWhen);
  Locking(this, 0, [&] { original(this, condition); });
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  static auto* const original =
      Original<bool(Mutex*, const Condition&, Time)>(&Mutex::LockWhenWithDeadline);
  return Locking(this, 0, [&] { return original(this, condition, deadline); });
}

void Mutex::ReaderLockWhen(const Condition& condition) {
  static auto* const original = Original<void(Mutex*, const Condition&)>(&Mutex::ReaderLockWhen);
  Locking(this, kRead, [&] { original(this, condition); });
}

bool Mutex::ReaderLockWhenWithDeadline(const Condition& condition, Time deadline) {
  static auto* const original =
      Original<bool(Mutex*, const Condition&, Time)>(&Mutex::ReaderLockWhenWithDeadline);
  return Locking(this, kRead, [&] { return original(this, condition, deadline); });
}

void Mutex::Await(const Condition& condition) {
  static auto* const original = Original<void(Mutex*, const Condition&)>(&Mutex::Await);
  Waiting(this, [&] { original(this, condition); });
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static auto* const original =
      Original<bool(Mutex*, const Condition&, Time)>(&Mutex::AwaitWithDeadline);
  return Waiting(this, [&] { return original(this, condition, deadline); });
}

// Where uninstrumented code destroys a mutex, what told it that nobody holds the
// mutex (a count of references) was not seen.
Mutex::~Mutex() {
  static auto* const original = reinterpret_cast<void (*)(Mutex*)>(OriginalDestructor());
  const char* caller = static_cast<const char*>(__builtin_return_address(0));
  if (caller < &__executable_start || caller >= &etext) __tsan_acquire(this);
  __tsan_mutex_destroy(this, 0);
  original(this);
}

void CondVar::Wait(Mutex* mutex) {
  static auto* const original = Original<void(CondVar*, Mutex*)>(&CondVar::Wait);
  Waiting(mutex, [&] { original(this, mutex); });
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const original =
      Original<bool(CondVar*, Mutex*, Time)>(&CondVar::WaitWithDeadline);
  return Waiting(mutex, [&] { return original(this, mutex, deadline); });
}

ABSL_NAMESPACE_END
}  // namespace absl
