#include "client/agent/control_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "client/state/json_reader.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/log/log.h"

namespace federity::agent {
namespace {

using nlohmann::json;

// How long the other end may take to send what it announced.
constexpr time_t kPatienceSeconds = 10;

// A socket's path has at most 107 bytes, a state directory more: the way through
// the folder's descriptor is short.
struct Address {
  FileDescriptor folder;
  sockaddr_un address{};
};

absl::StatusOr<Address> AddressOf(const std::filesystem::path& socket) {
  Address result;
  FEDERITY_ASSIGN_OR_RETURN(result.folder, OpenFile(socket.parent_path(), O_PATH | O_DIRECTORY));
  result.address.sun_family = AF_UNIX;
  const std::string path =
      StrCat("/proc/self/fd/", result.folder.get(), "/", socket.filename().string());
  std::memcpy(result.address.sun_path, path.c_str(), path.size() + 1);
  return result;
}

const sockaddr* Generic(const sockaddr_un& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

absl::Status SendAll(int socket, std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = send(socket, data.data(), data.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return ErrnoStatus(errno, "the control socket");
    data.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status ReceiveAll(int socket, char* data, size_t size) {
  while (size > 0) {
    const ssize_t n = recv(socket, data, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "the control socket");
    if (n == 0) return absl::UnavailableError("the other end closed the control socket");
    data += n;
    size -= static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

absl::Status SendFrame(int socket, const json& value) {
  const std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  const auto size = static_cast<uint32_t>(text.size());
  const char prefix[4] = {static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                          static_cast<char>(size >> 8), static_cast<char>(size)};
  FEDERITY_RETURN_IF_ERROR(SendAll(socket, {prefix, sizeof prefix}));
  return SendAll(socket, text);
}

absl::StatusOr<json> ReceiveFrame(int socket, size_t limit) {
  std::array<unsigned char, 4> prefix{};
  FEDERITY_RETURN_IF_ERROR(
      ReceiveAll(socket, static_cast<char*>(static_cast<void*>(prefix.data())), prefix.size()));
  const size_t size = size_t{prefix[0]} << 24 | size_t{prefix[1]} << 16 | size_t{prefix[2]} << 8 |
                      size_t{prefix[3]};
  if (size > limit)
    return absl::InvalidArgumentError(
        StrCat("a message of ", size, " bytes; the limit is ", limit));
  std::string text(size, '\0');
  FEDERITY_RETURN_IF_ERROR(ReceiveAll(socket, text.data(), size));
  return state::ParseJsonObject(text);
}

absl::Status CheckPeer(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return ErrnoStatus(errno, "the control socket");
  if (peer.uid == geteuid() || peer.uid == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(StrCat(
      "user ", peer.uid, " may not command this agent; its user ", geteuid(), " and root may"));
}

void SetPatience(int socket, bool receiving) {
  const timeval patience{kPatienceSeconds, 0};
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (receiving) setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

json ErrorResponse(const absl::Status& status) {
  return {{"error",
           {{"code", static_cast<int>(status.code())},
            {"message", std::string(ToStd(status.message()))}}}};
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Start(const state::Paths& paths,
                                                                    Handler handler) {
  const std::filesystem::path path = paths.socket();
  FEDERITY_ASSIGN_OR_RETURN(const Address address, AddressOf(path));
  FileDescriptor listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener.valid()) return ErrnoStatus(errno, path.string());
  unlink(path.c_str());
  if (bind(listener.get(), Generic(address.address), sizeof address.address) != 0 ||
      chmod(path.c_str(), 0600) != 0 || listen(listener.get(), 16) != 0)
    return ErrnoStatus(errno, path.string());
  FileDescriptor wake(eventfd(0, EFD_CLOEXEC));
  if (!wake.valid()) return ErrnoStatus(errno, "eventfd");
  return std::unique_ptr<ControlServer>(
      new ControlServer(std::move(listener), std::move(wake), path, std::move(handler)));
}

ControlServer::ControlServer(FileDescriptor listener, FileDescriptor wake,
                             std::filesystem::path path, Handler handler)
    : listener_(std::move(listener)),
      wake_(std::move(wake)),
      path_(std::move(path)),
      handler_(std::move(handler)) {
  thread_ = std::thread([this] { AcceptLoop(); });
}

ControlServer::~ControlServer() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
  thread_.join();
  unlink(path_.c_str());
}

void ControlServer::AcceptLoop() {
  std::array<pollfd, 2> events{{{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
  while (true) {
    if (poll(events.data(), events.size(), -1) < 0 && errno != EINTR) break;
    if (events[1].revents != 0) break;
    if ((events[0].revents & POLLIN) == 0) continue;
    FileDescriptor socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.valid()) continue;
    Reap(/*all=*/false);
    SetPatience(socket.get(), /*receiving=*/true);
    if (connections_.size() >= kMaxConnections) {
      (void)SendFrame(socket.get(), ErrorResponse(absl::ResourceExhaustedError(
                                        "the agent is busy with other commands; try again")));
      continue;
    }
    Connection& connection = connections_.emplace_back();
    connection.socket = std::move(socket);
    connection.thread = std::thread([this, &connection] {
      Serve(connection.socket.get());
      connection.done = true;
    });
  }
  for (Connection& connection : connections_) shutdown(connection.socket.get(), SHUT_RD);
  Reap(/*all=*/true);
}

void ControlServer::Reap(bool all) {
  for (auto at = connections_.begin(); at != connections_.end();) {
    if (!all && !at->done) {
      ++at;
      continue;
    }
    at->thread.join();
    at = connections_.erase(at);
  }
}

absl::StatusOr<json> ControlServer::Answer(int socket) {
  FEDERITY_RETURN_IF_ERROR(CheckPeer(socket));
  FEDERITY_ASSIGN_OR_RETURN(const json request, ReceiveFrame(socket, kMaxControlRequest));
  state::JsonReader reader(request);
  const std::string command = reader.String("command");
  const json arguments = reader.Has("arguments") ? reader.Object("arguments") : json::object();
  FEDERITY_RETURN_IF_ERROR(reader.status());
  return handler_(command, arguments);
}

void ControlServer::Serve(int socket) {
  absl::StatusOr<json> result = Answer(socket);
  const json response =
      result.ok() ? json{{"result", *std::move(result)}} : ErrorResponse(result.status());
  if (const absl::Status status = SendFrame(socket, response); !status.ok())
    log::Debug("a control response was not sent", {{"error", std::string(status.message())}});
  shutdown(socket, SHUT_WR);
}

namespace {

absl::Status Unreachable(const state::Paths& paths, const absl::Status& status) {
  if (!absl::IsPermissionDenied(status)) return status;
  return absl::PermissionDeniedError(StrCat("'", paths.directory.string(),
                                            "' belongs to another user; run this as that user or "
                                            "as root"));
}

}  // namespace

std::optional<absl::StatusOr<json>> CallDaemon(const state::Paths& paths, std::string_view command,
                                               const json& arguments) {
  const absl::StatusOr<Address> address = AddressOf(paths.socket());
  if (absl::IsNotFound(address.status())) return std::nullopt;
  if (!address.ok()) return Unreachable(paths, address.status());
  const FileDescriptor connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!connection.valid()) return ErrnoStatus(errno, paths.socket().string());
  if (connect(connection.get(), Generic(address->address), sizeof address->address) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return std::nullopt;
    return Unreachable(paths, ErrnoStatus(errno, paths.socket().string()));
  }
  SetPatience(connection.get(), /*receiving=*/false);
  // A refusal can come before the request is out; it then is what there is to read.
  const absl::Status sent =
      SendFrame(connection.get(), {{"command", command}, {"arguments", arguments}});
  absl::StatusOr<json> response = ReceiveFrame(connection.get(), kMaxControlResponse);
  if (!response.ok()) return sent.ok() ? response.status() : sent;
  state::JsonReader reader(*response);
  if (!reader.Has("error")) return json(reader.Object("result"));
  state::JsonReader error(reader.Object("error"));
  const auto code = static_cast<absl::StatusCode>(error.Integer("code", 2));
  return absl::Status(code == absl::StatusCode::kOk ? absl::StatusCode::kUnknown : code,
                      error.String("message"));
}

}  // namespace federity::agent
