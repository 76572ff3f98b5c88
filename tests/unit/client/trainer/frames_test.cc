#include "client/trainer/frames.h"

#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "common/base/files.h"
#include "federity/worker/v1/worker.pb.h"

namespace federity::trainer {
namespace {

TEST_CASE("Frames go over a socket and come out of pieces") {
  int sockets[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  const FileDescriptor a(sockets[0]);
  FileDescriptor b(sockets[1]);
  worker::v1::Response sent;
  sent.mutable_progress()->set_phase("reading");
  REQUIRE(WriteFrame(b.get(), sent).ok());
  REQUIRE(WriteFrame(b.get(), worker::v1::Response()).ok());
  worker::v1::Response got;
  REQUIRE(ReadFrame(a.get(), got).ok());
  CHECK(got.progress().phase() == "reading");
  REQUIRE(ReadFrame(a.get(), got).ok());
  b = FileDescriptor();
  CHECK(absl::IsOutOfRange(ReadFrame(a.get(), got)));
  CHECK_FALSE(WriteFrame(a.get(), sent).ok());  // and no SIGPIPE

  std::string bytes(4, '\0');
  bytes[0] = static_cast<char>(sent.ByteSizeLong());
  bytes += sent.SerializeAsString();
  FrameBuffer buffer;
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    buffer.Append(bytes.substr(i, 1));
    CHECK_FALSE(*buffer.Next(got));
  }
  buffer.Append(bytes.substr(bytes.size() - 1));
  CHECK(*buffer.Next(got));
  CHECK(got.progress().phase() == "reading");
}

TEST_CASE("A frame from a compromised child is bounded and checked") {
  worker::v1::Response got;
  FrameBuffer large;
  large.Append("\xff\xff\xff\x7f");
  CHECK(absl::IsInternal(large.Next(got).status()));
  FrameBuffer garbage;
  garbage.Append(std::string_view("\x03\x00\x00\x00\xff\xff\xff", 7));
  CHECK(absl::IsInternal(garbage.Next(got).status()));
}

}  // namespace
}  // namespace federity::trainer
