#ifndef FEDERITY_TESTS_TESTING_TCP_PROXY_H_
#define FEDERITY_TESTS_TESTING_TCP_PROXY_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/base/files.h"

namespace federity::testing {

// A network between clients and a coordinator, on a free port of 127.0.0.1.
// Failures of the constructor throw std::runtime_error. Thread-safe.
class TcpProxy {
 public:
  TcpProxy();
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  int port() const { return port_; }
  // Where connections go, on 127.0.0.1; until then they are closed.
  void SetTarget(int port);
  // Bytes take so long each way. 0 at first.
  void SetDelay(std::chrono::milliseconds delay);
  // All connections share a line of so many bytes a second each way; 0: no limit.
  void SetRate(int64_t bytes_per_second);
  // A connection ends after so many bytes of its client, in the middle of whatever it
  // was; 0: never.
  void SetLifetime(int64_t bytes);
  // Nothing gets through and nobody is told, as when a cable is out.
  void SetSilent(bool silent);
  int64_t connections() const;  // so far

 private:
  struct Connection;
  using Clock = std::chrono::steady_clock;
  struct Line {  // one way of what all connections share
    Clock::time_point free_at{};
  };
  struct Settings {
    int target = 0;
    std::chrono::milliseconds delay{0};
    int64_t rate = 0;
    int64_t lifetime = 0;
    bool silent = false;
    bool stopped = false;
  };
  void Run();
  void Accept(const Settings& settings);
  Settings Get() const;

  FileDescriptor listener_;
  int port_ = 0;
  mutable std::mutex mutex_;
  Settings settings_;                                     // mutex_
  int64_t accepted_ = 0;                                  // mutex_
  std::vector<std::unique_ptr<Connection>> connections_;  // the thread's, as are the lines
  Line up_, down_;
  std::thread thread_;
};

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_TESTING_TCP_PROXY_H_
