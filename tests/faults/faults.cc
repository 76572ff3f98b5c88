// A library that is loaded before all others (LD_PRELOAD) into one of our programs
// and makes the machine below it fail: the programs themselves hold no hooks.
//
// It acts in the program that FEDERITY_FAULTS_PROGRAM names and in none that this
// starts. FEDERITY_FAULTS is a folder; a file in it turns a fault on:
//   steps      every step is appended to it, one line each
//   kill       "N before NAME" or "N after NAME": SIGKILL at the Nth step of that name
//   full       writes to files fail with ENOSPC, while it is there
//   read-only  files can't be made, written, renamed or removed, while it is there
//   clock      seconds that the wall clock is off; read once, at the start
//
// A step is what makes a change last: the commit of a transaction that wrote rows
// (libpq), a rename, a link, an unlink, an fsync. Its name says what it does, without
// numbers and random words, so that the same step has the same name in every run.

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>

#define FAULTS_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}
// The function of that name in the libraries behind this one.
#define NEXT(name)                                         \
  ([] {                                                    \
    static const auto next = Next<decltype(&name)>(#name); \
    return next;                                           \
  }())

struct Faults {
  bool active = false;
  std::string folder;
  int steps = -1;  // a descriptor
  long kill_at = 0;
  bool kill_after = false;
  std::string kill_name;
  time_t clock_offset = 0;
};

std::string ReadSmall(const std::string& path) {
  char text[512] = {};
  const int fd =
      static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC, 0));
  if (fd < 0) return "";
  const long n = syscall(SYS_read, fd, text, sizeof(text) - 1);
  syscall(SYS_close, fd);
  return n > 0 ? std::string(text, static_cast<size_t>(n)) : "";
}

Faults Read() {
  Faults faults;
  const char* program = getenv("FEDERITY_FAULTS_PROGRAM");
  const char* folder = getenv("FEDERITY_FAULTS");
  if (program == nullptr || folder == nullptr) return faults;
  if (strcmp(program, program_invocation_short_name) != 0) return faults;
  faults.active = true;
  faults.folder = folder;
  const std::string steps = faults.folder + "/steps";
  faults.steps = static_cast<int>(
      syscall(SYS_openat, AT_FDCWD, steps.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC, 0));
  char when[16] = {}, name[256] = {};
  if (sscanf(ReadSmall(faults.folder + "/kill").c_str(), "%ld %15s %255[^\n]", &faults.kill_at,
             when, name) == 3) {
    faults.kill_after = strcmp(when, "after") == 0;
    faults.kill_name = name;
  }
  faults.clock_offset = static_cast<time_t>(atol(ReadSmall(faults.folder + "/clock").c_str()));
  return faults;
}

const Faults& Get() {
  static const Faults* faults = new Faults(Read());
  return *faults;
}

bool IsOn(const char* fault) {
  const Faults& faults = Get();
  return faults.active &&
         syscall(SYS_faccessat, AT_FDCWD, (faults.folder + "/" + fault).c_str(), F_OK) == 0;
}

// The last two parts of a path.
std::string Short(const char* path) {
  const std::string text = path;
  size_t slash = text.rfind('/');
  if (slash != std::string::npos && slash > 0) slash = text.rfind('/', slash - 1);
  return slash == std::string::npos ? text : text.substr(slash + 1);
}

// Without numbers and the words of hexadecimal or base64 that hold one.
std::string Named(const std::string& text) {
  std::string name, word;
  const auto flush = [&] {
    const bool numbered = word.find_first_of("0123456789") != std::string::npos;
    const bool random = word.rfind("tmp-", 0) == 0;  // mkstemp
    name += numbered ? "#" : random ? "tmp" : word;
    word.clear();
  };
  for (const char c : text) {
    if (isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-') {
      word += c;
      continue;
    }
    flush();
    name += isspace(static_cast<unsigned char>(c)) != 0 ? ' ' : c;
  }
  flush();
  return name;
}

std::atomic<long> times_named{0};

// Runs what makes a change last, as a step.
template <typename Change>
auto Step(const std::string& what, const Change& change) {
  const Faults& faults = Get();
  if (!faults.active) return change();
  const std::string name = Named(what);
  if (faults.steps >= 0) {
    const std::string line = name + "\n";
    if (syscall(SYS_write, faults.steps, line.data(), line.size()) < 0) abort();
  }
  const bool killed = name == faults.kill_name && ++times_named == faults.kill_at;
  if (killed && !faults.kill_after) raise(SIGKILL);
  const auto result = change();
  if (killed) raise(SIGKILL);
  return result;
}

int Fail(int error) {
  errno = error;
  return -1;
}

// A file on a disk that is ours; what the program was started with (its log) is not.
bool IsFile(int fd) {
  struct stat status;
  return fd > 2 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

int WriteError(int fd) {
  if (!Get().active || !IsFile(fd)) return 0;
  if (IsOn("read-only")) return EROFS;
  return IsOn("full") ? ENOSPC : 0;
}

bool ReadOnly(const char* path) {
  return path != nullptr && strncmp(path, "/dev/", 5) != 0 && strncmp(path, "/proc/", 6) != 0 &&
         IsOn("read-only");
}

int OpenError(const char* path, int flags) {
  return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0 && ReadOnly(path) ? EROFS : 0;
}

mode_t ModeOf(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

std::string FileName(int fd) {
  char path[PATH_MAX] = {};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t n = readlink(link.c_str(), path, sizeof(path) - 1);
  return n > 0 ? Short(path) : "?";
}

}  // namespace

// ---- Files

FAULTS_EXPORT int rename(const char* from, const char* to) {
  if (ReadOnly(to)) return Fail(EROFS);
  return Step("rename to " + Short(to), [&] { return NEXT(rename)(from, to); });
}

FAULTS_EXPORT int link(const char* from, const char* to) {
  if (ReadOnly(to)) return Fail(EROFS);
  return Step("link " + Short(to), [&] { return NEXT(link)(from, to); });
}

FAULTS_EXPORT int unlink(const char* path) {
  if (ReadOnly(path)) return Fail(EROFS);
  return Step("unlink " + Short(path), [&] { return NEXT(unlink)(path); });
}

FAULTS_EXPORT int fsync(int fd) {
  return Step(Get().active ? "fsync " + FileName(fd) : "", [&] { return NEXT(fsync)(fd); });
}

FAULTS_EXPORT int fdatasync(int fd) {
  return Step(Get().active ? "fdatasync " + FileName(fd) : "", [&] { return NEXT(fdatasync)(fd); });
}

FAULTS_EXPORT int mkdir(const char* path, mode_t mode) {
  if (ReadOnly(path)) return Fail(EROFS);
  if (IsOn("full")) return Fail(ENOSPC);
  return NEXT(mkdir)(path, mode);
}

FAULTS_EXPORT int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  if (const int error = OpenError(path, flags)) return Fail(error);
  return NEXT(open)(path, flags, mode);
}

FAULTS_EXPORT int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  if (const int error = OpenError(path, flags)) return Fail(error);
  return NEXT(open64)(path, flags, mode);
}

FAULTS_EXPORT ssize_t write(int fd, const void* data, size_t size) {
  if (const int error = WriteError(fd)) return Fail(error);
  return NEXT(write)(fd, data, size);
}

FAULTS_EXPORT ssize_t writev(int fd, const struct iovec* parts, int count) {
  if (const int error = WriteError(fd)) return Fail(error);
  return NEXT(writev)(fd, parts, count);
}

FAULTS_EXPORT ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  if (const int error = WriteError(fd)) return Fail(error);
  return NEXT(pwrite)(fd, data, size, offset);
}

FAULTS_EXPORT ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  if (const int error = WriteError(fd)) return Fail(error);
  return NEXT(pwrite64)(fd, data, size, offset);
}

// ---- The wall clock

FAULTS_EXPORT int clock_gettime(clockid_t clock, struct timespec* now) {
  const int result = NEXT(clock_gettime)(clock, now);
  if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += Get().clock_offset;
  return result;
}

FAULTS_EXPORT int gettimeofday(struct timeval* now, void* zone) {
  const int result = NEXT(gettimeofday)(now, zone);
  if (result == 0) now->tv_sec += Get().clock_offset;
  return result;
}

FAULTS_EXPORT time_t time(time_t* out) {
  struct timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

// Waits until a moment of the wall clock that the program sees.
namespace {
struct timespec Real(const struct timespec& deadline) {
  struct timespec real = deadline;
  // Smaller ones are of the monotonic clock.
  if (real.tv_sec > 1'000'000'000) real.tv_sec -= Get().clock_offset;
  return real;
}
}  // namespace

FAULTS_EXPORT int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                         const struct timespec* deadline) {
  const struct timespec real = Real(*deadline);
  return NEXT(pthread_cond_timedwait)(condition, mutex, &real);
}

FAULTS_EXPORT long syscall(long number, ...) {
  long a[6];
  va_list arguments;
  va_start(arguments, number);
  for (long& argument : a) argument = va_arg(arguments, long);
  va_end(arguments);
  struct timespec real;
  if (number == SYS_futex && (a[1] & FUTEX_CLOCK_REALTIME) != 0 && a[3] != 0) {
    real = Real(*reinterpret_cast<const struct timespec*>(a[3]));
    a[3] = reinterpret_cast<long>(&real);
  }
  return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// ---- Transactions (libpq, without its header: it need not be there)

namespace {

using Connection = struct Opaque*;
using Result = struct OpaqueResult*;

// What a connection has prepared, and what its transaction wrote.
struct Session {
  std::map<std::string, std::string> prepared;
  std::string wrote;
};
std::mutex sessions_mutex;
std::map<Connection, Session>& Sessions() {
  static auto* sessions = new std::map<Connection, Session>;
  return *sessions;
}

Result Note(Connection connection, const std::string& sql, Result result) {
  static const auto status = Next<char* (*)(Result)>("PQcmdStatus");
  static const auto tuples = Next<char* (*)(Result)>("PQcmdTuples");
  const char* tag = result == nullptr ? "" : status(result);
  const bool writes = strncmp(tag, "INSERT", 6) == 0 || strncmp(tag, "UPDATE", 6) == 0 ||
                      strncmp(tag, "DELETE", 6) == 0;
  if (writes && strcmp(tuples(result), "0") != 0) {
    const std::lock_guard<std::mutex> lock(sessions_mutex);
    Sessions()[connection].wrote = sql.substr(0, 70);
  }
  return result;
}

}  // namespace

FAULTS_EXPORT Result PQprepare(Connection connection, const char* name, const char* sql, int count,
                               const unsigned* types) {
  {
    const std::lock_guard<std::mutex> lock(sessions_mutex);
    Sessions()[connection].prepared[name] = sql;
  }
  return NEXT(PQprepare)(connection, name, sql, count, types);
}

FAULTS_EXPORT Result PQexecPrepared(Connection connection, const char* name, int count,
                                    const char* const* values, const int* lengths,
                                    const int* formats, int format) {
  std::string sql;
  {
    const std::lock_guard<std::mutex> lock(sessions_mutex);
    sql = Sessions()[connection].prepared[name];
  }
  return Note(connection, sql,
              NEXT(PQexecPrepared)(connection, name, count, values, lengths, formats, format));
}

FAULTS_EXPORT Result PQexec(Connection connection, const char* sql) {
  const auto run = [&] { return NEXT(PQexec)(connection, sql); };
  std::string wrote;
  const bool ends = strncasecmp(sql, "COMMIT", 6) == 0 || strncasecmp(sql, "ROLLBACK", 8) == 0;
  if (ends) {
    const std::lock_guard<std::mutex> lock(sessions_mutex);
    wrote.swap(Sessions()[connection].wrote);
  }
  if (wrote.empty() || strncasecmp(sql, "COMMIT", 6) != 0) return Note(connection, sql, run());
  return Step("commit of " + wrote, run);
}
