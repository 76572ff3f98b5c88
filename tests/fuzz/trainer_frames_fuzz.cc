#include <sys/socket.h>

#include <algorithm>

#include "client/trainer/frames.h"
#include "common/base/files.h"
#include "federity/worker/v1/worker.pb.h"
#include "tests/fuzz/fuzz_target.h"

namespace federity::trainer {
namespace {

using Message = worker::v1::Response;

struct Taken {
  std::vector<std::string> messages;
  bool broken = false;
  friend bool operator==(const Taken&, const Taken&) = default;
};

Taken TakeInPieces(std::string_view bytes, size_t piece) {
  Taken taken;
  FrameBuffer buffer;
  Message message;
  while (!bytes.empty() && !taken.broken) {
    buffer.Append(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    absl::StatusOr<bool> more = buffer.Next(message);
    for (; more.ok() && *more; more = buffer.Next(message))
      taken.messages.push_back(message.SerializeAsString());
    taken.broken = !more.ok();
  }
  return taken;
}

std::vector<std::string> TakeFromSocket(std::string_view bytes) {
  int ends[2];
  FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const FileDescriptor reader(ends[0]);
  {
    const FileDescriptor writer(ends[1]);
    const auto size = static_cast<ssize_t>(bytes.size());
    FUZZ_CHECK(send(writer.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) == size);
  }
  std::vector<std::string> messages;
  Message message;
  while (ReadFrame(reader.get(), message).ok()) messages.push_back(message.SerializeAsString());
  return messages;
}

}  // namespace

FUZZ_TARGET(trainer_frames) {
  const Taken whole = TakeInPieces(input, input.size());
  FUZZ_CHECK(TakeInPieces(input, 1) == whole);
  FUZZ_CHECK(TakeInPieces(input, 5) == whole);
  // What a socket surely holds while nobody reads.
  if (!input.empty() && input.size() <= 32 << 10)
    FUZZ_CHECK(TakeFromSocket(input) == whole.messages);
  for (const std::string& bytes : whole.messages) {
    Message message;
    FUZZ_CHECK(message.ParseFromString(bytes) && message.SerializeAsString() == bytes);
  }
}

}  // namespace federity::trainer
