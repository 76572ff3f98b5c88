#include "tests/testing/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <stdexcept>
#include <string>
#include <utility>

namespace federity::testing {
namespace {

using Clock = std::chrono::steady_clock;

// Bytes of a connection on their way: a long fast line's, and a router's queue.
constexpr size_t kMostWaiting = size_t{16} << 20;
constexpr auto kTick = std::chrono::milliseconds(1);

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

FileDescriptor Socket() {
  FileDescriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) throw std::runtime_error("socket");
  return fd;
}

void SetUp(const FileDescriptor& fd) {
  const int one = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

// One way of a connection.
struct Way {
  int from = -1;
  int to = -1;
  std::deque<std::pair<Clock::time_point, std::string>> waiting = {};
  size_t bytes_waiting = 0;
  int64_t bytes_read = 0;
  bool ended = false;  // the sender is done

  bool WantsToRead() const { return !ended && bytes_waiting < kMostWaiting; }
  bool IsDue(Clock::time_point now) const {
    return !waiting.empty() && waiting.front().first <= now;
  }

  // Takes what is there, which comes when `due` says of its size. False if the
  // connection broke.
  template <typename Due>
  bool Read(const Due& due) {
    std::array<char, 65536> buffer;
    const ssize_t n = recv(from, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    ended = n == 0;
    if (ended) return true;
    waiting.emplace_back(due(n), std::string(buffer.data(), static_cast<size_t>(n)));
    bytes_waiting += static_cast<size_t>(n);
    bytes_read += n;
    return true;
  }

  bool Write(Clock::time_point now) {
    while (IsDue(now)) {
      std::string& data = waiting.front().second;
      const ssize_t n = send(to, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0) return errno == EAGAIN || errno == EINTR;
      bytes_waiting -= static_cast<size_t>(n);
      data.erase(0, static_cast<size_t>(n));
      if (data.empty()) waiting.pop_front();
    }
    if (ended && waiting.empty()) shutdown(to, SHUT_WR);
    return true;
  }

  bool Done() const { return ended && waiting.empty(); }
};

}  // namespace

struct TcpProxy::Connection {
  FileDescriptor client;
  FileDescriptor server;
  Way up;
  Way down;
};

TcpProxy::TcpProxy() : listener_(Socket()) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_.get(), generic, size) != 0 || listen(listener_.get(), 128) != 0 ||
      getsockname(listener_.get(), generic, &size) != 0) {
    throw std::runtime_error("the proxy can't listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

TcpProxy::~TcpProxy() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    settings_.stopped = true;
  }
  thread_.join();
}

void TcpProxy::SetTarget(int port) {
  const std::lock_guard<std::mutex> lock(mutex_);
  settings_.target = port;
}

void TcpProxy::SetDelay(std::chrono::milliseconds delay) {
  const std::lock_guard<std::mutex> lock(mutex_);
  settings_.delay = delay;
}

void TcpProxy::SetRate(int64_t bytes_per_second) {
  const std::lock_guard<std::mutex> lock(mutex_);
  settings_.rate = bytes_per_second;
}

void TcpProxy::SetLifetime(int64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  settings_.lifetime = bytes;
}

void TcpProxy::SetSilent(bool silent) {
  const std::lock_guard<std::mutex> lock(mutex_);
  settings_.silent = silent;
}

int64_t TcpProxy::connections() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return accepted_;
}

TcpProxy::Settings TcpProxy::Get() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return settings_;
}

void TcpProxy::Accept(const Settings& settings) {
  FileDescriptor client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client.valid() || settings.target == 0) return;
  FileDescriptor server = Socket();
  const sockaddr_in address = Loopback(settings.target);
  if (connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return;  // closes the client's: nobody serves
  }
  SetUp(client);
  SetUp(server);
  auto connection = std::make_unique<Connection>();
  connection->up = {.from = client.get(), .to = server.get()};
  connection->down = {.from = server.get(), .to = client.get()};
  connection->client = std::move(client);
  connection->server = std::move(server);
  connections_.push_back(std::move(connection));
  const std::lock_guard<std::mutex> lock(mutex_);
  ++accepted_;
}

void TcpProxy::Run() {
  for (Settings settings = Get(); !settings.stopped; settings = Get()) {
    const Clock::time_point now = Clock::now();
    std::vector<pollfd> polled = {{listener_.get(), POLLIN, 0}};
    for (const auto& connection : connections_) {
      for (const Way* way : {&connection->up, &connection->down}) {
        const bool reads = !settings.silent && way->WantsToRead();
        polled.push_back({way->from, static_cast<int16_t>(reads ? POLLIN : 0), 0});
      }
    }
    poll(polled.data(), polled.size(), static_cast<int>(kTick.count()));
    size_t at = 1;
    std::erase_if(connections_, [&](const std::unique_ptr<Connection>& connection) {
      bool alive = true;
      for (Way* way : {&connection->up, &connection->down}) {
        if ((polled[at++].revents & ~POLLOUT) == 0 || settings.silent || !way->WantsToRead()) {
          continue;
        }
        Line& line = way == &connection->up ? up_ : down_;
        alive = alive && way->Read([&](ssize_t bytes) {
          line.free_at = std::max(line.free_at, now);
          if (settings.rate > 0) {
            line.free_at += std::chrono::nanoseconds(bytes * 1'000'000'000 / settings.rate);
          }
          return line.free_at + settings.delay;
        });
      }
      if (settings.silent) return false;
      for (Way* way : {&connection->up, &connection->down}) {
        alive = alive && way->Write(Clock::now());
      }
      const bool worn = settings.lifetime > 0 && connection->up.bytes_read > settings.lifetime;
      return !alive || worn || (connection->up.Done() && connection->down.Done());
    });
    if ((polled[0].revents & POLLIN) != 0) Accept(settings);
  }
}

}  // namespace federity::testing
