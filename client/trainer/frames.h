#ifndef FEDERITY_CLIENT_TRAINER_FRAMES_H_
#define FEDERITY_CLIENT_TRAINER_FRAMES_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"

namespace federity::trainer {

// Frames between supervisor and child:
//   frame := length: fixed32 little endian, payload: length bytes of protobuf
// The parent trusts nothing in them: a compromised child can write anything.
inline constexpr size_t kMaxFrameBytes = 16 << 20;

// Writes one frame to a blocking socket; INTERNAL if the other end is gone.
absl::Status WriteFrame(int socket, const google::protobuf::MessageLite& message);

// Reads one frame from a blocking socket into `message`. OUT_OF_RANGE at a
// clean end, INTERNAL for a broken or oversized frame.
absl::Status ReadFrame(int socket, google::protobuf::MessageLite& message);

// Takes frames out of a stream of bytes that comes in pieces. Not thread-safe.
class FrameBuffer {
 public:
  void Append(std::string_view bytes) { buffer_.append(bytes); }
  // True: `message` is the next frame. False: more bytes are needed. INTERNAL
  // for a broken or oversized frame.
  absl::StatusOr<bool> Next(google::protobuf::MessageLite& message);

 private:
  std::string buffer_;
};

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_FRAMES_H_
