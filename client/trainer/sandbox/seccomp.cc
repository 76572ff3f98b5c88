#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "client/trainer/sandbox/sandbox.h"

#ifdef __clang__  // the library's macros are compound literals
#pragma clang diagnostic ignored "-Wc99-extensions"
#endif

namespace federity::sandbox {
namespace {

// Lists of words.
// clang-format off

// What a training process that already runs needs (tried with LibTorch 1.13 and
// 2.7): memory, threads, time, reading files, writing to open ones.
constexpr const char* kAllowed[] = {
    "read", "readv", "pread64", "write", "writev", "pwrite64", "sendto", "recvfrom", "close",
    "fstat", "newfstatat", "stat", "lstat", "statx", "lseek", "getdents64", "ftruncate",
    "fsync", "fdatasync", "poll", "ppoll", "readlink", "readlinkat", "access", "faccessat",
    "getcwd", "mmap", "munmap", "mremap", "mprotect", "madvise", "brk", "mincore", "futex",
    "set_robust_list", "get_robust_list", "rseq", "membarrier", "restart_syscall",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "sched_yield",
    "sched_getaffinity", "getcpu", "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid",
    "getegid", "exit", "exit_group", "clock_gettime", "clock_getres", "clock_nanosleep",
    "nanosleep", "gettimeofday", "time", "getrandom", "sysinfo", "uname", "getrusage", "times"};

// How a sanitizer asks whether memory is mapped.
#ifdef FEDERITY_SANITIZED
constexpr std::initializer_list<const char*> kSanitizerAllowed = {"pipe", "pipe2"};
#else
constexpr std::initializer_list<const char*> kSanitizerAllowed = {};
#endif

// A trainer has no business here at all: end it, loudly.
constexpr const char* kDeadly[] = {
    "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "mount", "umount2",
    "pivot_root", "chroot", "setns", "unshare", "init_module", "finit_module", "delete_module",
    "kexec_load", "kexec_file_load", "bpf", "userfaultfd", "perf_event_open", "add_key",
    "keyctl", "request_key", "open_by_handle_at", "io_uring_setup"};

// The CUDA driver talks to its device by ioctl, and its libraries pin threads
// and memory and use a unix socket and eventfds of their own.
constexpr const char* kCudaAllowed[] = {
    "ioctl", "open", "fcntl", "dup", "dup3", "pipe2", "eventfd2", "memfd_create", "mlock",
    "munlock", "sched_setaffinity", "sched_getparam", "sched_getscheduler", "set_mempolicy",
    "get_mempolicy", "mbind", "prlimit64", "getrlimit", "epoll_create1", "epoll_ctl",
    "epoll_wait", "timer_create", "timer_settime", "timer_delete", "clone3", "set_tid_address",
    "arch_prctl"};

// clang-format on

class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {}
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;
  ~Filter() {
    if (context_ != nullptr) seccomp_release(context_);
  }

  // A name that this libseccomp does not know is no call of this kernel's.
  template <typename... Conditions>
  void Rule(uint32_t action, const char* name, Conditions... conditions) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) return;
    const int error =
        seccomp_rule_add(context_, action, number, sizeof...(conditions), conditions...);
    if (error != 0) error_ = -error;
  }

  int Load() {
    if (context_ == nullptr) return ENOMEM;
    if (error_ != 0) return error_;
    // Every thread, also those that the warm-up made.
    const int error = seccomp_attr_set(context_, SCMP_FLTATR_CTL_TSYNC, 1);
    return error != 0 ? -error : -seccomp_load(context_);
  }

 private:
  scmp_filter_ctx context_;
  int error_ = 0;
};

void AddConditionalRules(Filter& filter, Profile profile) {
  // Reading only; the CUDA driver opens device nodes for writing, and Landlock
  // says which.
  constexpr uint64_t kWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
  if (profile == Profile::kCuda) {
    filter.Rule(SCMP_ACT_ALLOW, "openat");
  } else {
    filter.Rule(SCMP_ACT_ALLOW, "openat", SCMP_A2(SCMP_CMP_MASKED_EQ, kWriting, 0));
    filter.Rule(SCMP_ACT_ALLOW, "open", SCMP_A1(SCMP_CMP_MASKED_EQ, kWriting, 0));
    // clone3 hides its flags in memory; without it glibc takes clone.
    filter.Rule(SCMP_ACT_ERRNO(ENOSYS), "clone3");
    for (const int command : {F_GETFD, F_SETFD, F_GETFL}) {
      filter.Rule(SCMP_ACT_ALLOW, "fcntl", SCMP_A1(SCMP_CMP_EQ, static_cast<uint64_t>(command)));
    }
  }
  // Threads, no processes.
  filter.Rule(SCMP_ACT_ALLOW, "clone",
              SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM));
  // abort() signals itself.
  filter.Rule(SCMP_ACT_ALLOW, "tgkill", SCMP_A0(SCMP_CMP_EQ, static_cast<uint64_t>(getpid())));
  filter.Rule(SCMP_ACT_ALLOW, "prctl", SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
  filter.Rule(SCMP_ACT_ALLOW, "prctl", SCMP_A0(SCMP_CMP_EQ, PR_GET_NAME));
}

}  // namespace

Layer FilterSystemCalls(Profile profile) {
  Layer layer{.name = "seccomp"};
  Filter filter;
  for (const char* name : kAllowed) filter.Rule(SCMP_ACT_ALLOW, name);
  for (const char* name : kSanitizerAllowed) filter.Rule(SCMP_ACT_ALLOW, name);
  for (const char* name : kDeadly) filter.Rule(SCMP_ACT_KILL_PROCESS, name);
  AddConditionalRules(filter, profile);
  if (profile == Profile::kCuda) {
    for (const char* name : kCudaAllowed) filter.Rule(SCMP_ACT_ALLOW, name);
  }
  const int error = filter.Load();
  layer.active = error == 0;
  layer.detail = layer.active ? "allow-list, all threads" : std::strerror(error);
  return layer;
}

}  // namespace federity::sandbox
