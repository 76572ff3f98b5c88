#include "client/trainer/frames.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "common/base/strings.h"

namespace federity::trainer {
namespace {

constexpr size_t kPrefix = 4;

size_t LengthOf(std::string_view prefix) {
  uint32_t length = 0;
  for (size_t i = kPrefix; i-- > 0;) length = length << 8 | static_cast<uint8_t>(prefix[i]);
  return length;
}

absl::Status CheckLength(size_t length) {
  if (length <= kMaxFrameBytes) return absl::OkStatus();
  return absl::InternalError(
      StrCat("a frame of ", length, " bytes; the limit is ", kMaxFrameBytes));
}

// OUT_OF_RANGE if the stream ended before the first byte.
absl::Status Receive(int socket, char* data, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t n = recv(socket, data + done, size - done, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "reading from the trainer's socket");
    if (n == 0 && done == 0) return absl::OutOfRangeError("the other end closed the socket");
    if (n == 0) return absl::InternalError("the other end closed the socket inside a frame");
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteFrame(int socket, const google::protobuf::MessageLite& message) {
  const size_t length = message.ByteSizeLong();
  if (absl::Status status = CheckLength(length); !status.ok()) return status;
  std::string frame;
  for (size_t i = 0; i < kPrefix; ++i) frame.push_back(static_cast<char>(length >> (8 * i)));
  message.AppendToString(&frame);
  for (size_t done = 0; done < frame.size();) {
    // MSG_NOSIGNAL: a dead reader is an error, not a SIGPIPE.
    const ssize_t n = send(socket, frame.data() + done, frame.size() - done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "writing to the trainer's socket");
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

absl::Status ReadFrame(int socket, google::protobuf::MessageLite& message) {
  std::array<char, kPrefix> prefix;
  if (absl::Status status = Receive(socket, prefix.data(), kPrefix); !status.ok()) return status;
  const size_t length = LengthOf({prefix.data(), kPrefix});
  if (absl::Status status = CheckLength(length); !status.ok()) return status;
  std::string payload(length, '\0');
  if (length > 0) {
    if (absl::Status status = Receive(socket, payload.data(), length); !status.ok()) {
      return absl::InternalError(status.message());
    }
  }
  if (!message.ParseFromString(payload)) return absl::InternalError("a frame does not parse");
  return absl::OkStatus();
}

absl::StatusOr<bool> FrameBuffer::Next(google::protobuf::MessageLite& message) {
  if (buffer_.size() < kPrefix) return false;
  const size_t length = LengthOf(buffer_);
  if (absl::Status status = CheckLength(length); !status.ok()) return status;
  if (buffer_.size() < kPrefix + length) return false;
  const bool parsed = message.ParseFromArray(buffer_.data() + kPrefix, static_cast<int>(length));
  buffer_.erase(0, kPrefix + length);
  if (!parsed) return absl::InternalError("a frame does not parse");
  return true;
}

}  // namespace federity::trainer
