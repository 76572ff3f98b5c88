// Tells ThreadSanitizer what orders memory in the distribution's Abseil and gRPC,
// which are not instrumented: without it every variable under an absl::Mutex and
// every reactor would look like a race. The functions below come before the
// libraries' in symbol look-up (the program exports them, see
// cmake/Sanitizers.cmake): each calls the library's, with annotations.
//
// absl::Mutex, which gRPC uses too: between pre_ and post_ TSan ignores what the
// thread does, so the conditions that Abseil evaluates there, for the calling or
// another thread, are not checked. Functions with a timeout call those with a
// deadline, within the library, by the same look-up.
//
// gRPC: what happened before an operation was started (StartWrite, Finish, …)
// happened before its callback; and what happened before a call's count of
// callbacks went down happened before the one for which it is zero.
#include <dlfcn.h>
#include <elf.h>
#include <grpc/grpc.h>
#include <grpcpp/support/server_callback.h>
#include <link.h>
#include <sanitizer/tsan_interface.h>

#include <atomic>
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
    std::fprintf(stderr, "tsan_libraries: no library has '%s'\n", name.c_str());
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

using Functor = grpc_completion_queue_functor;

// The tag of an operation of the callback API is a functor, which begins with its
// function; other tags are objects, which begin with their virtual table.
bool IsFunctor(void* tag) {
  static std::atomic<void*> known{nullptr};
  void* const first = *static_cast<void**>(tag);
  if (first == known.load(std::memory_order_relaxed)) return true;
  Dl_info info;
  ElfW(Sym)* symbol = nullptr;
  if (dladdr1(first, &info, reinterpret_cast<void**>(&symbol), RTLD_DL_SYMENT) == 0 ||
      symbol == nullptr || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC) {
    return false;
  }
  known.store(first, std::memory_order_relaxed);
  return true;
}

// Stands for the functor of one operation.
struct Completion : Functor {
  explicit Completion(Functor* wrapped) : Functor(*wrapped), original(wrapped) {
    functor_run = [](Functor* self, int ok) {
      Functor* const functor = static_cast<Completion*>(self)->original;
      __tsan_acquire(functor);
      delete static_cast<Completion*>(self);
      functor->functor_run(functor, ok);
    };
  }
  Functor* const original;
};

}  // namespace

extern "C" grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t count,
                                                 void* tag, void* reserved) {
  static auto* const original =
      reinterpret_cast<decltype(&grpc_call_start_batch)>(Next("grpc_call_start_batch"));
  if (tag == nullptr || !IsFunctor(tag)) return original(call, ops, count, tag, reserved);
  auto* const completion = new Completion(static_cast<Functor*>(tag));
  __tsan_release(tag);
  const grpc_call_error error = original(call, ops, count, completion, reserved);
  if (error != GRPC_CALL_OK) delete completion;
  return error;
}

namespace grpc::internal {

void ServerCallbackCall::ScheduleOnDone(bool inline_ondone) {
  static auto* const original =
      Original<void(ServerCallbackCall*, bool)>(&ServerCallbackCall::ScheduleOnDone);
  __tsan_acquire(&callbacks_outstanding_);
  original(this, inline_ondone);
}

void ServerCallbackCall::CallOnCancel(ServerReactor* reactor) {
  static auto* const original =
      Original<void(ServerCallbackCall*, ServerReactor*)>(&ServerCallbackCall::CallOnCancel);
  __tsan_acquire(&on_cancel_conditions_remaining_);
  original(this, reactor);
}

}  // namespace grpc::internal

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
