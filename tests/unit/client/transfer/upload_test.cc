#include <catch2/catch.hpp>

#include "client/transfer/transfer.h"
#include "common/base/errors.h"
#include "common/crypto/digest.h"
#include "tests/unit/client/fake_coordinator.h"
#include "tests/unit/client/temp_dir.h"

namespace federity::transfer {
namespace {

using testing::FakeCoordinator;
using testing::Pattern;
using testing::TempDir;

constexpr char kRepository[] = "organizations/o/repositories/r";
constexpr char kRequest[] = "00000000-0000-4000-8000-000000000001";

TransferOptions Quick() { return {.first_pause = absl::Milliseconds(1)}; }

TEST_CASE("UploadFile brings every byte over breaks at any offset", "[transfer]") {
  const std::string content = Pattern((3 << 20) + 12345);
  const auto breaks = GENERATE(std::deque<int64_t>{}, std::deque<int64_t>{0},
                               std::deque<int64_t>{1, 2, 3}, std::deque<int64_t>{1 << 20, 2 << 20},
                               std::deque<int64_t>{(1 << 20) - 1, (3 << 20) + 12345});
  TempDir dir;
  FakeCoordinator coordinator;
  coordinator.Locked([&](auto& script, auto&) { script.upload_breaks = breaks; });
  const auto name = UploadFile(coordinator.channel(), kRepository, dir.Write("delta", content),
                               kRequest, Quick());
  REQUIRE(name.ok());
  coordinator.Locked([&](auto&, auto& seen) {
    REQUIRE(seen.uploads.size() == 1);
    CHECK(seen.uploads[*name].bytes == content);
    CHECK(seen.uploads[*name].state.complete());
  });
}

TEST_CASE("UploadFile goes on where an earlier process was cut", "[transfer]") {
  const std::string content = Pattern(2 << 20);
  TempDir dir;
  const auto file = dir.Write("delta", content);
  FakeCoordinator coordinator;
  coordinator.Locked([](auto& script, auto&) { script.upload_breaks = {777'777}; });
  TransferOptions once = Quick();
  once.give_up_after = absl::ZeroDuration();
  const auto cut = UploadFile(coordinator.channel(), kRepository, file, kRequest, once);
  CHECK(absl::IsUnavailable(cut.status()));

  REQUIRE(UploadFile(coordinator.channel(), kRepository, file, kRequest, Quick()).ok());
  coordinator.Locked([&](auto&, auto& seen) {
    CHECK(seen.write_offsets == std::vector<int64_t>{0, 777'777});
    CHECK(seen.uploads.begin()->second.bytes == content);
  });
}

TEST_CASE("UploadFile declares the digest that it was given", "[transfer]") {
  TempDir dir;
  FakeCoordinator coordinator;
  TransferOptions options = Quick();
  options.expected_digest = crypto::Sha256("bytes").ToString();
  CHECK(UploadFile(coordinator.channel(), kRepository, dir.Write("whole", "bytes"), kRequest,
                   options)
            .ok());
  const auto damaged = UploadFile(coordinator.channel(), kRepository, dir.Write("damaged", "bites"),
                                  "00000000-0000-4000-8000-000000000002", options);
  CHECK(ReasonOf(damaged.status()) == v1::ERROR_REASON_DIGEST_MISMATCH);
}

TEST_CASE("UploadFile reports progress up to the last byte and uploads empty files", "[transfer]") {
  TempDir dir;
  FakeCoordinator coordinator;
  TransferOptions options = Quick();
  int64_t last = -1;
  options.on_progress = [&](int64_t done, int64_t) { last = done; };
  REQUIRE(
      UploadFile(coordinator.channel(), kRepository, dir.Write("a", "hello"), "1", options).ok());
  CHECK(last == 5);
  CHECK(UploadFile(coordinator.channel(), kRepository, dir.Write("b", ""), "2", options).ok());
}

TEST_CASE("UploadFile returns a refusal at once and stops when cancelled", "[transfer]") {
  TempDir dir;
  const auto file = dir.Write("delta", "content");
  FakeCoordinator coordinator;
  coordinator.Locked([](auto& script, auto&) {
    script.create_upload = Error(v1::ERROR_REASON_UPLOAD_TOO_LARGE, "too large");
  });
  CHECK(
      ReasonOf(UploadFile(coordinator.channel(), kRepository, file, kRequest, Quick()).status()) ==
      v1::ERROR_REASON_UPLOAD_TOO_LARGE);

  coordinator.Locked(
      [](auto& script, auto&) { script.create_upload = absl::UnavailableError("down"); });
  TransferOptions options = Quick();
  int polls = 0;
  options.cancelled = [&] { return ++polls > 3; };
  CHECK(absl::IsCancelled(
      UploadFile(coordinator.channel(), kRepository, file, kRequest, options).status()));
  CHECK(absl::IsNotFound(
      UploadFile(coordinator.channel(), kRepository, dir / "missing", kRequest, Quick()).status()));
}

}  // namespace
}  // namespace federity::transfer
