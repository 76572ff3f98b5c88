#include "client/trainer/sandbox/sandbox.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <functional>
#include <thread>

#include "tests/unit/client/trainer/testing.h"

namespace federity::sandbox {
namespace {

constexpr int kLayerNotActive = 99;

// Runs `body` in a forked child and returns waitpid's status; the body's value is
// the exit status.
int InChild(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

// True, with a warning, if the kernel or container here lacks the layer.
bool Skipped(int status) {
  if (!WIFEXITED(status) || WEXITSTATUS(status) != kLayerNotActive) return false;
  WARN("the kernel does not offer this layer here");
  return true;
}

void RequireExit(int status, int expected) {
  INFO("waitpid's status " << status);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == expected);
}

int OpenError(const char* path, int flags) {
  const int fd = open(path, flags, 0600);
  if (fd >= 0) close(fd);
  return fd >= 0 ? 0 : errno;
}

int ConnectError() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return errno;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(9);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int result = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  const int error = errno;
  close(fd);
  return result == 0 ? 0 : error;
}

TEST_CASE("Landlock leaves only the named folder to read") {
  const trainer::testing::TemporaryFolder folder;
  const std::string inside = folder.Write("data/inside", "x");
  const std::string outside = folder.Write("outside", "x");
  const std::string created = (folder / "data/created").string();
  const int status = InChild([&] {
    ForbidNewPrivileges();
    if (!RestrictFiles({folder / "data", folder / "missing"}, Profile::kCpu).active) {
      return kLayerNotActive;
    }
    if (OpenError(inside.c_str(), O_RDONLY) != 0) return 1;
    if (OpenError(inside.c_str(), O_RDWR) != EACCES) return 2;
    if (OpenError(created.c_str(), O_WRONLY | O_CREAT) != EACCES) return 3;
    if (OpenError(outside.c_str(), O_RDONLY) != EACCES) return 4;
    if (OpenError("/etc/passwd", O_RDONLY) != EACCES) return 5;
    // A second layer takes the folder away too.
    RestrictFiles({}, Profile::kCpu);
    return OpenError(inside.c_str(), O_RDONLY) == EACCES ? 0 : 6;
  });
  if (!Skipped(status)) RequireExit(status, 0);
}

TEST_CASE("The network namespace has nobody to talk to") {
  const int status = InChild([] {
    if (!EnterNamespaces().active) return kLayerNotActive;
    return ConnectError() == ENETUNREACH ? 0 : 1;
  });
  if (!Skipped(status)) RequireExit(status, 0);
}

TEST_CASE("seccomp refuses sockets and writing, and threads still start") {
  const trainer::testing::TemporaryFolder folder;
  const std::string file = folder.Write("file", "x");
  const int status = InChild([&] {
    ForbidNewPrivileges();
    if (!FilterSystemCalls(Profile::kCpu).active) return kLayerNotActive;
    if (ConnectError() != EPERM) return 1;
    if (OpenError(file.c_str(), O_RDWR) != EPERM) return 2;
    if (OpenError(file.c_str(), O_RDONLY | O_TRUNC) != EPERM) return 3;
    if (OpenError(file.c_str(), O_RDONLY) != 0) return 4;
    if (fork() != -1 || errno != EPERM) return 5;
    if (kill(getppid(), 0) != -1 || errno != EPERM) return 6;
    int ran = 0;
    std::thread([&ran] { ran = 1; }).join();
    return ran == 1 ? 0 : 7;
  });
  if (!Skipped(status)) RequireExit(status, 0);
}

TEST_CASE("seccomp kills who tries to start a program") {
  const int status = InChild([] {
    ForbidNewPrivileges();
    if (!FilterSystemCalls(Profile::kCpu).active) return kLayerNotActive;
    char name[] = "/bin/true";
    char* arguments[] = {name, nullptr};
    execv(name, arguments);
    return 1;
  });
  if (Skipped(status)) return;
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSYS);
}

TEST_CASE("seccomp binds threads that ran before") {
  const int status = InChild([] {
    ForbidNewPrivileges();
    int go[2];
    if (pipe(go) != 0) return 1;
    int error = 0;
    std::thread other([&] {
      char byte = 0;
      if (read(go[0], &byte, 1) == 1) error = ConnectError();
    });
    const bool active = FilterSystemCalls(Profile::kCpu).active;
    if (write(go[1], "x", 1) != 1) return 2;
    other.join();
    if (!active) return kLayerNotActive;
    return error == EPERM ? 0 : 3;
  });
  if (!Skipped(status)) RequireExit(status, 0);
}

#ifndef FEDERITY_SANITIZED  // they map terabytes
TEST_CASE("Memory is limited beyond what libraries map") {
  const int status = InChild([] {
    if (!LimitResources({.memory_bytes = 256 << 20}, Profile::kCpu).active) return 1;
    const auto map = [](size_t bytes) {
      return mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    };
    if (map(64 << 20) == MAP_FAILED) return 2;
    return map(512 << 20) == MAP_FAILED ? 0 : 3;
  });
  RequireExit(status, 0);
}
#endif

TEST_CASE("Files have a largest size") {
  const trainer::testing::TemporaryFolder folder;
  const int status = InChild([&] {
    LimitResources({.file_bytes = 1000}, Profile::kCpu);
    const int fd = open((folder / "out").c_str(), O_WRONLY | O_CREAT, 0600);
    const std::string block(2000, 'x');
    signal(SIGXFSZ, SIG_IGN);
    return write(fd, block.data(), block.size()) == 1000 ? 0 : 1;
  });
  RequireExit(status, 0);
}

TEST_CASE("Layers say how they are") {
  CHECK(Layer{.name = "landlock", .active = true, .detail = "ABI 7"}.ToString() ==
        "landlock: active, ABI 7");
  CHECK(Layer{.name = "seccomp", .active = false, .detail = "no"}.ToString() ==
        "seccomp: not active (no)");
}

}  // namespace
}  // namespace federity::sandbox
